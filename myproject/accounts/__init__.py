"""Accounts of this site: sign-up, sign-in, passwords and email addresses, on django-allauth."""
