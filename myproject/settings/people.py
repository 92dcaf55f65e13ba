"""People: how they sign in, and how mail is sent."""

from myproject.settings.environment import VAR_DIR, env

EMAIL_URL = env.str("EMAIL_URL", default="")
if EMAIL_URL:
    vars().update(env.email_url("EMAIL_URL"))
    EMAIL_TIMEOUT = 10
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Darkroom <darkroom@localhost>")

# Whether a link from `manage.py demo_link` signs the demo person in. `make run` turns it on.
DEMO = env.bool("DEMO", default=False)

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
if DEMO:
    AUTHENTICATION_BACKENDS.append("myproject.accounts.sign_in_link.OneTimeBackend")
# A link works once, and for ten minutes.
SESAME_ONE_TIME = True
SESAME_MAX_AGE = 600

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Django tells this one of every change of a password.
AUTH_PASSWORD_VALIDATORS.append({"NAME": "myproject.accounts.passwords.NewPassword"})
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "uploads:home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
# With a mail server, an address is verified before it is used, and sign-up does not reveal whether an address
# has an account. A chosen user name would, because it is taken afterwards only if the address was new. So
# allauth makes the name from the address. Without a mail server, people choose a name and are signed in.
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
if not EMAIL_URL:
    ACCOUNT_SIGNUP_FIELDS.insert(0, "username*")
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if EMAIL_URL else "none"
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
# A person has one address, and keeps it until the new one is verified.
ACCOUNT_CHANGE_EMAIL = True
# A request for a new password sends no mail to an address without an account.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_FORMS = {
    "signup": "myproject.accounts.addresses.SignUpForm",
    "reset_password": "myproject.accounts.addresses.ResetRequestForm",
    "reset_password_from_key": "myproject.accounts.addresses.ResetForm",
}
ACCOUNT_ADAPTER = "myproject.accounts.adapter.AccountAdapter"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {
    # Five wrong passwords in one network, and a hundred in all unknown ones (`accounts.sign_in_limits`).
    "login_failed": "10/m/ip,5/300s/key",
    "login_failed_elsewhere": "100/h/key",
    # Mail that a stranger can cause. Beyond a limit, the earlier mails still work.
    "reset_password": "20/m/ip,5/m/key,20/d/key",
    "confirm_email": "1/180s/key,10/d/key",
}
CSRF_FAILURE_VIEW = "uploads.api.problems.csrf_failure"
