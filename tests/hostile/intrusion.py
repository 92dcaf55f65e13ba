"""Attacks on accounts: Mallory takes over and locks out, and a thief has stolen a token or a link."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.hostile.scene import EMAILS_PER_DAY, PASSWORD, Scene, path_of
from tests.hostile.visitor import Answer, Visitor
from tests.journeys.mailbox import text_of
from tests.system import wait_until

LIST = "/api/uploads/"
SPAM = "BUY NOW http://spam.example.jpg"
MAKE_KNOWN = """
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
person = User.objects.create_user("known", "known@example.org")
EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
"""
# Seconds for which a link or a token is valid whose expiry is tried. A busy machine needs some of them.
SHORT = 15


def is_refused(answer: Answer) -> bool:
    to_sign_in = answer.status == 302 and "/accounts/login/" in answer.location
    return answer.status in {401, 403, 404} or to_sign_in


def shut_out(scene: Scene, thief: Visitor, url: str, what: str) -> None:
    """Check that a thief is refused, now and at the end."""
    answer = thief.get(url)
    assert is_refused(answer), f"{what} was answered with {answer.status}"
    scene.stolen.append((thief, url))


def account_before_its_owner(scene: Scene) -> None:
    """B1: sign up with the address of a victim, who resets the password later."""
    mallory, victim = scene.visitor("victim"), scene.visitor("victim")
    mallory.sign_up()
    scene.mailbox.link_to(victim.email, "/accounts/confirm-email/")
    mallory.sign_in()
    assert not mallory.is_signed_in(), "an unverified address signs in"
    # An earlier version let Mallory in, so that she could make a token and a webhook.
    mallory.token = scene.token_of("victim")
    hook = mallory.call("POST", "/api/webhooks/", url="http://127.0.0.1:9/hook")
    assert hook.status == 201, f"the webhook of the attack was answered with {hook.status}"
    scene.reset_password(victim)
    upload_id = scene.sent(victim, visibility="private")["id"]
    shut_out(scene, mallory, f"{LIST}{upload_id}/", "a token from before the reset")
    shut_out(scene, mallory, f"/i/{upload_id}/thumb", "a token from before the reset")
    webhooks = victim.get("/api/webhooks/").json()["results"]
    assert not any(webhook["enabled"] for webhook in webhooks), "a webhook from before the reset is enabled"
    deliveries = victim.get(f"/api/webhooks/{hook.json()['id']}/deliveries/").json()["results"]
    assert not deliveries, "a webhook from before the reset gets events"


def stolen_password(scene: Scene) -> None:
    """B1: a thief knows a password, and is signed in when the owner resets it."""
    owner, thief = scene.newcomer("hal"), scene.visitor("thief")
    thief.sign_in(login=owner.email, password=owner.password)
    assert thief.is_signed_in(), "the thief's sign-in failed, so the reset was not tried"
    scene.reset_password(owner)
    upload_id = scene.sent(owner, visibility="private")["id"]
    for url in ("/account/", f"/uploads/{upload_id}/original", "/api/events/"):
        shut_out(scene, thief, url, "a session from before the reset")
    thief.sign_in(login=owner.email, password=PASSWORD)
    assert not thief.is_signed_in(), "the old password signs in"
    notices = owner.get("/api/notices/").json()["results"]
    events = {notice["event"] for notice in notices}
    assert "account.password_changed" in events, "the owner got no notice of the new password"


def who_has_an_account(scene: Scene) -> None:
    """B1: sign up with a known address and a new one, and compare the answers."""
    # A mail to the address in the last three minutes, as for a sign-up, would change the answer.
    made = scene.system.manage("shell", "--no-imports", "--command", MAKE_KNOWN)
    assert made.returncode == 0, made.stderr
    seen = []
    for email in ("known@example.org", "unknown@example.org"):
        visitor = scene.visitor()
        visitor.email = email
        answer = visitor.sign_up()
        assert answer.location, f"a sign-up was answered with {answer.status}"
        page = re.sub(r"\b\w{64}\b", "", visitor.get(answer.location).text).replace(email, "")
        seen.append([str(answer.status), answer.location, *page.splitlines()])
    differing = [lines for lines in zip(*seen, strict=False) if len(set(lines)) > 1]
    assert not differing, f"a sign-up reveals that an address has an account: {differing[0]}"
    assert len(seen[0]) == len(seen[1]), "a sign-up reveals that an address has an account"


def revoked_token(scene: Scene) -> None:
    """B2: a thief has a token, which its owner revokes."""
    owner = scene.newcomer("jim")
    if owner.get("/api/tokens/").status == 404:
        key = scene.token_of("jim")
        revoke: Callable[[], Any] = lambda: scene.system.manage("drf_create_token", "-r", "jim")  # noqa: E731
    else:
        token = new_token(owner, scope="all")
        key = token["key"]
        revoke = lambda: owner.call("DELETE", f"/api/tokens/{token['id']}/")  # noqa: E731
    thief = scene.visitor("thief", token=key)
    assert thief.get(LIST).status == 200, "a new token does not work"
    revoke()
    shut_out(scene, thief, LIST, "a revoked token")


def limited_tokens(scene: Scene) -> None:
    """B2: a thief has tokens with a scope or an expiry."""
    owner = scene.newcomer("kai")
    other = scene.sent(owner, visibility="private")["id"]
    sender = scene.visitor("thief", token=new_token(owner, scope="upload")["key"])
    assert sender.send(scene.picture()).status == 201, "a token to upload cannot upload"
    listed = [upload["id"] for upload in sender.get(LIST).json()["results"]]
    assert other not in listed, "a token to upload lists what another one has sent"
    for url in (f"{LIST}{other}/", f"/i/{other}/thumb", f"/uploads/{other}/original"):
        shut_out(scene, sender, url, f"a token to upload at {url}")
    reader = scene.visitor("thief", token=new_token(owner, scope="read")["key"])
    for answer in (reader.send(scene.picture()), reader.call("DELETE", f"{LIST}{other}/")):
        assert answer.status == 403, f"a token to read could change something: {answer.status}"
    brief = scene.visitor("thief", token=new_token(owner, scope="all", expires_at=in_seconds(SHORT))["key"])
    wait_until(lambda: brief.get(LIST).status == 401)
    shut_out(scene, brief, LIST, "an expired token")
    stored = scene.tables() + owner.get("/api/tokens/").text
    keys = (sender.token, reader.token, brief.token)
    assert not any(key in stored for key in keys), "a key is stored or listed in plain text"


def new_token(owner: Visitor, **fields: str) -> Any:
    answer = owner.call("POST", "/api/tokens/", name="stolen", **fields)
    assert answer.status == 201, f"a token was answered with {answer.status}: {answer.text}"
    return answer.json()


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def mail_to_strangers(scene: Scene) -> None:
    """B3: let the site mail six times to an address that Mallory does not own."""
    mallory = scene.visitor("stranger")
    mallory.sign_up()
    scene.mailbox.link_to(mallory.email, "/accounts/confirm-email/")
    # An earlier version let Mallory in without the verification.
    mallory.token = scene.token_of("stranger")
    send_and_wait(scene, mallory, 6)
    prove_that_mail_arrives(scene, "lou")
    subjects = scene.mailbox.subjects_to(mallory.email)
    assert len(subjects) == 1, f"an unverified address got {len(subjects)} emails: {subjects}"
    wrong = [message["Subject"] for message in scene.mailbox.messages if "spam" in str(message["Subject"])]
    assert not wrong, f"a sender's text is in a subject: {wrong[0]}"


def mail_a_day(scene: Scene) -> None:
    """B3: send more images in a day than there may be emails."""
    person = scene.newcomer("max")
    send_and_wait(scene, person, EMAILS_PER_DAY + 2)
    prove_that_mail_arrives(scene, "nia")
    number = len(notices_to(scene, person.email))
    assert number <= EMAILS_PER_DAY, f"{number} emails a day instead of {EMAILS_PER_DAY}"


def send_and_wait(scene: Scene, person: Visitor, number: int) -> None:
    """Send pictures, with an email for each, and wait until they are ready."""
    person.call("PATCH", "/api/settings/", email="each")
    uploads = [scene.sent(person, name=SPAM)["id"] for _ in range(number)]
    scene.wait_until_ready(person, *uploads)


def prove_that_mail_arrives(scene: Scene, name: str) -> None:
    """Wait for the email to another person. Earlier emails have arrived by then."""
    person = scene.newcomer(name)
    send_and_wait(scene, person, 1)
    wait_until(lambda: notices_to(scene, person.email))


def notices_to(scene: Scene, address: str) -> list[str]:
    """Return the texts of the emails about images to an address."""
    texts = [text_of(message) for message in scene.mailbox.messages if address in str(message["To"])]
    return [text for text in texts if "/#upload-" in text]


def locked_out(scene: Scene) -> None:
    """B4: try wrong passwords of another person, who then signs in from another network."""
    owner, mallory = scene.newcomer("oda"), scene.visitor("mallory")
    statuses = [mallory.sign_in(login=owner.email, password=f"wrong-{number}").status for number in range(6)]
    assert statuses[-1] == 429, f"the wrong passwords were answered with {statuses}"
    guess = mallory.sign_in(login=owner.email, password=owner.password)
    assert guess.status == 429, "guessing continues in the network of the attacker"
    again = scene.visitor("oda")
    again.sign_in()
    assert again.is_signed_in(), "wrong passwords from elsewhere lock the right person out"


def printed_link(scene: Scene) -> None:
    """B4: a thief finds the sign-in link that was printed at the start, after it was used."""
    link = path_of(scene.system.printed_link())
    first, thief = scene.visitor("demo"), scene.visitor("thief")
    first.get(link)
    assert first.is_signed_in(), "the printed link does not sign in"
    thief.get(link)
    shut_out(scene, thief, "/account/", "a used sign-in link")


def ended_links(scene: Scene) -> None:
    """B5: a thief has private links that their owner ends in each way."""
    owner, thief = scene.newcomer("pia"), scene.visitor("thief")
    upload_id = scene.sent(owner, visibility="private")["id"]
    scene.wait_until_ready(owner, upload_id)
    url = f"{LIST}{upload_id}/"

    def publish_and_hide() -> None:
        for visibility in ("unlisted", "private"):
            owner.call("PATCH", url, visibility=visibility)

    def delete_and_restore() -> None:
        owner.call("DELETE", url)
        assert owner.call("POST", f"{url}restore/").status == 200, "the deletion cannot be undone"

    ways: dict[str, Callable[[str], object]] = {
        "revoked": lambda link: owner.call("DELETE", f"{url}links/{link}/"),
        "revoked with all": lambda _link: owner.call("DELETE", f"{url}links/"),
        "changed visibility": lambda _link: publish_and_hide(),
        "deleted and restored": lambda _link: delete_and_restore(),
    }
    for way, end in ways.items():
        link = new_link(owner, url)
        assert thief.get(path_of(link["url"])).status == 200, "a new private link does not open"
        end(link["id"])
        shut_out(scene, thief, path_of(link["url"]), f"a private link ({way})")
    listed = owner.get(f"{url}links/").json()["results"]
    assert listed == [], "ended links are listed"


def limited_links(scene: Scene) -> None:
    """B5: a thief has a link to one preset, with an expiry."""
    owner, thief = scene.newcomer("quin"), scene.visitor("thief")
    upload_id = scene.sent(owner, visibility="private")["id"]
    scene.wait_until_ready(owner, upload_id)
    link = new_link(owner, f"{LIST}{upload_id}/", preset="thumb", expires_at=in_seconds(SHORT))
    path = path_of(link["url"])
    for other in (path.replace("/thumb", "/large"), path.split("?")[0], path[:-3] + "AAA"):
        shut_out(scene, thief, other, f"a link to one preset at {other.split('?')[0]}")
    wait_until(lambda: is_refused(thief.get(path)))
    shut_out(scene, thief, path, "an expired link")


def new_link(owner: Visitor, url: str, **fields: str) -> Any:
    answer = owner.call("POST", f"{url}links/", **fields)
    assert answer.status == 201, f"a private link was answered with {answer.status}: {answer.text}"
    return answer.json()


def everyone_is_out(scene: Scene) -> None:
    """Try each stolen token, session and link again."""
    for thief, url in scene.stolen:
        answer = thief.get(url)
        assert is_refused(answer), f"{url.split('?')[0]} opens again: {answer.status}"
