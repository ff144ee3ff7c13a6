"""Real servers for the tests: started in a folder of their own, on loopback, and ended by their process."""
