"""The demo: real charging sessions of a housing cooperative, moved close to today, and accounts to share them."""
