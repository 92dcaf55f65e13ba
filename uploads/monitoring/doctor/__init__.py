"""The doctor makes a round trip through each part of a site, and says in words what is wrong."""
