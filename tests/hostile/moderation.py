"""Staff stop Mallory and one of her images, and an owner leaves: nothing of theirs is open to others."""

import io
import json
import zipfile

from tests.hostile.intrusion import LIST, shut_out
from tests.hostile.scene import PASSWORD, Scene

SWITCH = """
from django.contrib.auth.models import User
User.objects.filter(email="{email}").update(is_active={active})
"""
TAKE_DOWN = """
from uploads import services
from uploads.models import Upload
services.{action}(upload=Upload.objects.get(pk="{upload_id}"){reason})
"""


def run(scene: Scene, code: str) -> None:
    done = scene.system.manage("shell", "--no-imports", "--command", code)
    assert done.returncode == 0, f"the operator's command failed: {done.stderr}"


def suspended_person(scene: Scene) -> None:
    """B6: staff suspend a person, who keeps a session and a token, and reinstate the person later."""
    mallory, stranger = scene.newcomer("suspended"), scene.visitor("stranger")
    upload_id = scene.sent(mallory)["id"]
    scene.wait_until_ready(mallory, upload_id)
    picture = f"/i/{upload_id}/thumb"
    assert stranger.get(picture).status == 200, "a public image does not open"
    run(scene, SWITCH.format(email=mallory.email, active=False))
    for url in (f"{LIST}{upload_id}/", "/account/"):
        assert mallory.get(url).status in {302, 401, 403, 404}, "a suspended person is still in"
    assert stranger.get(picture).status == 404, "an image of a suspended person is served"
    mallory.cookies.clear()
    mallory.sign_in()
    assert not mallory.is_signed_in(), "a suspended person signs in"
    run(scene, SWITCH.format(email=mallory.email, active=True))
    mallory.sign_in()
    assert mallory.is_signed_in(), "a reinstated person cannot sign in"
    assert stranger.get(picture).status == 200, "an image of a reinstated person does not open"


def taken_down_image(scene: Scene) -> None:
    """B6: staff take an image down; its owner sees why, and sends it again."""
    owner, stranger, data = scene.newcomer("taken"), scene.visitor("stranger"), scene.picture()
    upload_id = scene.sent(owner, data=data)["id"]
    scene.wait_until_ready(owner, upload_id)
    reason = ', reason="It shows a stranger."'
    run(scene, TAKE_DOWN.format(action="take_down", upload_id=upload_id, reason=reason))
    again = owner.send(data)
    assert again.status == 200, f"sending it again was answered with {again.status}"
    assert again.json()["takedown"]["reason"] == "It shows a stranger.", "the owner does not see the reason"
    for who in (owner, stranger):
        assert who.get(f"/i/{upload_id}/thumb").status == 404, "an image that is taken down is served"
    run(scene, TAKE_DOWN.format(action="put_back", upload_id=upload_id, reason=""))
    assert stranger.get(f"/i/{upload_id}/thumb").status == 200, "an image that is put back does not open"


def left_account(scene: Scene) -> None:
    """B6: a person takes everything along, deletes the account, and a thief has the session and a token."""
    leaver, thief, data = scene.newcomer("leaver"), scene.visitor("thief"), scene.picture()
    upload_id = leaver.send(data, name="mine.jpg").json()["id"]
    scene.wait_until_ready(leaver, upload_id)
    thief.cookies = dict(leaver.cookies)
    archive = leaver.post("/account/export")
    assert archive.status == 200, f"the export was answered with {archive.status}"
    with zipfile.ZipFile(io.BytesIO(archive.body)) as files:
        assert data in [files.read(name) for name in files.namelist()], "the export lacks the original"
        assert upload_id in json.dumps(json.loads(files.read("uploads.json"))), "the export lacks the facts"
    leaver.post("/account/delete", password=PASSWORD)
    assert not leaver.is_signed_in(), "a deleted account is still signed in"
    shut_out(scene, thief, f"{LIST}{upload_id}/", "the session of a deleted account")
    shut_out(scene, thief, f"/i/{upload_id}/thumb", "an image of a deleted account")
    assert leaver.email not in scene.tables(), "the database still names a person who has left"
