"""Texts of django-allauth that our catalogues translate too: its own German mixes "du" and "Sie"."""

BORROWED = (
    "Please type your current password.",
    "Too many failed login attempts. Try again later.",
    "Username can not be used. Please use other username.",
    "Be patient, you are sending too many requests.",
    "You must type the same password each time.",
    (
        "You are receiving this email because you or someone else tried to signup for an\naccount "
        "using email address:\n\n%(email)s\n\nHowever, an account using that email address already "
        "exists.  In case you have\nforgotten about this, please use the password forgotten "
        "procedure to recover\nyour account:\n\n%(password_reset_url)s"
    ),
    "You are receiving this mail because the following change was made to your account:",
    (
        "If you do not recognize this change then please take proper security precautions "
        "immediately. The change to your account originates from:\n\n- IP address: %(ip)s\n- Browser: "
        "%(user_agent)s\n- Date: %(timestamp)s"
    ),
    "Your password has been changed.",
    "Your password has been reset.",
    "Your password has been set.",
    (
        "You are receiving this email because you, or someone else, tried to access an account "
        "with email %(email)s. However, we do not have any record of such an account in our "
        "database."
    ),
    "If it was you, you can sign up for an account using the link below.",
    "If you have not created an account yet, then please %(link)ssign up%(end_link)s first.",
    "Are you sure you want to sign out?",
    "You have signed out.",
    (
        "Forgotten your password? Enter your email address below, and we'll send you an email "
        "allowing you to reset it."
    ),
    "Please contact us if you have any trouble resetting your password.",
    (
        "We have sent you an email. If you have not received it please check your spam folder. "
        "Otherwise contact us if you do not receive it in a few minutes."
    ),
    (
        "The password reset link was invalid, possibly because it has already been used.  Please "
        'request a <a href="%(passwd_reset_url)s">new password reset</a>.'
    ),
    "Your password is now changed.",
    "Already have an account? Then please %(link)ssign in%(end_link)s.",
    "You are already logged in as %(user_display)s.",
)
