"""Auth: accounts, logins and the tokens that the other services trust."""
