"""Tokens sign a person's programs in. `issuing` makes and revokes them, `scopes` limits what they may do."""
