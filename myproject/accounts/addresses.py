"""Email addresses: where mail is configured, an address is verified before anything else uses it."""

from datetime import timedelta

from allauth.account import app_settings
from allauth.account.forms import ResetPasswordForm, ResetPasswordKeyForm, SignupForm
from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from uploads.notices import mailbox


def notice_address(person: User) -> str:
    """Return the verified address of a person, or "" if there is none.

    Without a mail server no address can be verified, and mail is only written to a folder of this machine.
    """
    if not settings.EMAIL_URL:
        return person.email
    verified = EmailAddress.objects.get_verified(person)
    return verified.email if verified else ""


class SignUpForm(SignupForm):  # type: ignore[misc]  # allauth is untyped
    """Sign up with an address, even if another person has entered it as theirs but not verified it."""

    def clean_email(self) -> str:
        """Forget other people's unfinished changes to this address before allauth looks for its account."""
        email = self.cleaned_data["email"].lower()
        pending = EmailAddress.objects.filter(email=email, verified=False)
        pending.exclude(user__email__iexact=email).delete()
        cleaned: str = super().clean_email()
        return cleaned


class ResetRequestForm(ResetPasswordForm):  # type: ignore[misc]  # allauth is untyped
    """Ask for a reset mail. It opens only accounts to which the address belongs."""

    users: list[User]

    def clean_email(self) -> str:
        """Leave out accounts to which the address does not belong yet."""
        email: str = super().clean_email()
        self.users = [person for person in self.users if email.lower() == _address_for_reset(person)]
        return email


class ResetForm(ResetPasswordKeyForm):  # type: ignore[misc]  # allauth is untyped
    """Set the new password of a person who has read the mail, which verifies the address."""

    @transaction.atomic
    def save(self) -> None:
        """Verify the address first, so that the notice about the new password can be mailed to it."""
        if EmailAddress.objects.get_verified(self.user) is None:
            address = EmailAddress.objects.filter(user=self.user, email=_address_for_reset(self.user)).first()
            if address and address.set_verified():
                address.set_as_primary(conditional=True)
        mailbox.use_again(self.user)
        super().save()


class VerificationStage(EmailVerificationStage):  # type: ignore[misc]  # allauth is untyped
    """Stop a sign-in until the person's address is verified, if the person has an address."""

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Return the page that asks the person to open the mail's link, or None to continue."""
        person = self.login.user
        if person and not person.email and not EmailAddress.objects.filter(user=person).exists():
            return None, True
        answer: tuple[HttpResponse | None, bool] = super().handle()
        return answer


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def verify_again(request: HttpRequest, key: str) -> HttpResponse:
    """Use a refused address again, once its reader has confirmed it."""
    address = _verified_address(key)
    if address is None or request.method != "POST":
        context = {"email": address and address.email, "can_confirm": address is not None}
        return render(request, "account/email_confirm.html", context)
    mailbox.use_again(address.user)
    messages.success(request, _("The address is verified. Emails are sent to it again."))
    return redirect("uploads:account")


def _verified_address(key: str) -> EmailAddress | None:
    """Return the address of a link, whose key allauth has made; None if it has expired or is invalid."""
    days = timedelta(days=app_settings.EMAIL_CONFIRMATION_EXPIRE_DAYS)
    try:
        pk = signing.loads(key, salt=app_settings.SALT, max_age=days)
    except signing.BadSignature:
        return None
    return EmailAddress.objects.filter(pk=pk, verified=True).select_related("user").first()


def drop_pending(person: User) -> None:
    """Forget the addresses that wait for their verification, because an intruder may have added them."""
    EmailAddress.objects.filter(user=person, verified=False).exclude(email=person.email.lower()).delete()


def _address_for_reset(person: User) -> str:
    """Return the verified address of a person, or the first one if none is verified yet.

    An address that was added later gets no reset mail before its verification.
    """
    verified = EmailAddress.objects.get_verified(person)
    return (verified.email if verified else person.email).lower()
