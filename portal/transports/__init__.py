"""Ways out: a file goes to a server, or DeliveryError says at which step it did not."""
