"""The settings of Darkroom, and their system checks."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from processing import checks, conf
from processing.images.reading import formats
from processing.images.reading.limits import Limits
from processing.presets import Preset, Resampler
from processing.renderer import confinement
from uploads.fields import PictureField


def set_presets(settings: Settings, presets: dict[str, Any]) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "PRESETS": presets}


def problems() -> list[tuple[str | None, str]]:
    """Return what the checks of settings say; a field of a model names presets, too."""
    found = [error for error in run_checks() if not isinstance(error.obj, PictureField)]
    return [(error.id, error.msg) for error in found if (error.id or "").startswith("darkroom.")]


def test_default_presets_are_as_documented() -> None:
    widths = {preset.name: preset.width for preset in conf.presets()}
    assert widths == {"thumb": 256, "small": 320, "medium": 640, "large": 1280, "xlarge": 1920}
    assert conf.preset_named("thumb") == Preset(name="thumb", width=256, height=256, mode="fill")
    assert {preset.formats for preset in conf.presets()} == {("webp", "jpeg")}


def test_presets_are_sorted_largest_first() -> None:
    names = [preset.name for preset in conf.presets()]
    assert names == ["xlarge", "large", "medium", "small", "thumb"]


def test_presets_are_reloaded_after_a_change(settings: Settings) -> None:
    assert conf.preset_named("tiny") is None
    set_presets(settings, {"tiny": {"width": 5}})
    assert conf.presets() == (Preset(name="tiny", width=5),)
    assert conf.preset_named("tiny") == Preset(name="tiny", width=5)
    assert conf.preset_named("thumb") is None


def test_credit_is_kept_by_all_presets_or_none(settings: Settings) -> None:
    assert {preset.keep_credit for preset in conf.presets()} == {False}
    settings.DARKROOM = {**settings.DARKROOM, "KEEP_CREDIT": True}
    assert {preset.keep_credit for preset in conf.presets()} == {True}
    set_presets(settings, {"p": {"width": 5, "keep_credit": False}})
    assert problems() == [("darkroom.E001", "Preset 'p': unknown field 'keep_credit'.")]


def test_every_setting_has_a_default(settings: Settings) -> None:
    settings.DARKROOM = {}
    assert conf.darkroom() == conf.Settings()
    assert problems() == []
    del settings.DARKROOM
    assert conf.darkroom().max_upload_bytes == 50 * 1024**2


def test_settings_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        conf.darkroom().max_pixels = 5  # type: ignore[misc]


def test_unknown_key_is_an_error(settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_PIXEL": 5}
    assert problems() == [
        ("darkroom.E007", "DARKROOM has no key 'MAX_PIXEL'. docs/settings.md lists the keys.")
    ]


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("MAX_PIXELS", "5", "a number, 0 or more"),
        ("MAX_PIXELS", -1, "a number, 0 or more"),
        ("MAX_FRAMES", True, "a number, 0 or more"),
        ("BODY_TIMEOUT", None, "a number, 0 or more"),
        ("WEBHOOK_PRIVATE_ADDRESSES", 1, "True or False"),
        ("KEEP_CREDIT", "yes", "True or False"),
        ("KEEP_CREDIT", 1, "True or False"),
        ("KEEP_CREDIT", None, "True or False"),
        ("EXTRA_FORMATS", "tiff", "a list of strings"),
        ("SITE_URL", None, "a string"),
        ("PRESETS", [], "a mapping from names to fields"),
    ],
)
def test_value_of_the_wrong_type_is_an_error(key: str, value: Any, wanted: str, settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, key: value}
    sentence = f"DARKROOM[{key!r}] is {value!r}; it must be {wanted}."
    assert ("darkroom.E007", sentence) in problems()


def test_limits_come_from_the_settings(settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_PIXELS": 5, "MAX_ANIMATION_PIXELS": 7}
    assert conf.limits() == Limits(pixels=5, animation_pixels=7)


def test_default_settings_have_no_problems() -> None:
    assert problems() == []


def test_empty_presets_are_an_error(settings: Settings) -> None:
    set_presets(settings, {})
    assert problems() == [("darkroom.E001", "DARKROOM['PRESETS'] is empty. Define at least one preset.")]


def test_every_invalid_preset_is_named(settings: Settings) -> None:
    set_presets(settings, {"none": {"width": 0}, "good": {"width": 9}, "odd": {"colour": "red"}})
    assert problems() == [
        ("darkroom.E001", "Preset 'none': width is 0; it must be 1 to 16383 pixels."),
        ("darkroom.E001", "Preset 'odd': unknown field 'colour'."),
    ]


@pytest.mark.parametrize("fields", [5, None, ["width"], {"width": 9, "formats": 5}])
def test_preset_of_the_wrong_type_is_an_error(settings: Settings, fields: Any) -> None:
    set_presets(settings, {"p": fields})
    assert [id for id, _ in problems()] == ["darkroom.E001"]


def test_format_without_an_encoder_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "can_encode", lambda name: name != "avif")
    set_presets(settings, {"p": {"width": 9, "formats": ["avif", "webp"]}})
    assert problems() == [("darkroom.E002", "Preset 'p': this installation of Pillow cannot write avif.")]


def test_unknown_format_is_an_error(settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "EXTRA_FORMATS": ["tiff", "psd"]}
    expected = "DARKROOM['EXTRA_FORMATS']: unknown format 'psd'. Known formats: tiff, bmp."
    assert problems() == [("darkroom.E003", expected)]


def test_unknown_resampler_is_an_error(settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "RESAMPLER": "SIMD"}
    expected = "DARKROOM['RESAMPLER'] is 'SIMD'; it must be 'simd', 'pillow' or empty."
    assert problems() == [("darkroom.E012", expected)]


def test_resampler_that_is_not_installed_is_an_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "INSTALLED", "pillow")
    settings.DARKROOM = {**settings.DARKROOM, "RESAMPLER": "pillow"}
    assert problems() == []
    settings.DARKROOM = {**settings.DARKROOM, "RESAMPLER": "simd"}
    expected = "DARKROOM['RESAMPLER'] is 'simd', but cykooz-resizer is not installed on this host."
    assert problems() == [("darkroom.E013", expected)]


def test_unknown_sandbox_is_an_error_and_is_never_taken_for_none(settings: Settings) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "RENDERER_SANDBOX": "no"}
    expected = "DARKROOM['RENDERER_SANDBOX'] is 'no'; it must be 'auto', 'required' or 'off'."
    assert problems() == [("darkroom.E014", expected)]
    assert conf.renderer_options().sandbox == "required"


def test_required_sandbox_is_an_error_on_a_system_without_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "RENDERER_SANDBOX": "required"}
    assert problems() == []
    monkeypatch.setattr(confinement, "missing", lambda: ["Landlock"])
    expected = "DARKROOM['RENDERER_SANDBOX'] is 'required', but this system lacks: Landlock."
    assert problems() == [("darkroom.E015", expected)]


def test_deployment_check_warns_of_rights_that_decoders_keep(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.check_confinement() == []
    monkeypatch.setattr(confinement, "missing", lambda: ["seccomp"])
    (warning,) = checks.check_confinement()
    assert (warning.id, "it lacks seccomp" in warning.msg) == ("darkroom.W004", True)
    settings.DARKROOM = {**settings.DARKROOM, "RENDERER_SANDBOX": "off"}
    (warning,) = checks.check_confinement()
    assert "'off'" in warning.msg


@pytest.mark.parametrize("name", ["simd", "pillow"])
def test_resampler_of_the_site_takes_precedence(
    name: Resampler, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "INSTALLED", name)
    assert (conf.resampler(), conf.accepted_resamplers()) == (name, ("simd", "pillow"))
    settings.DARKROOM = {**settings.DARKROOM, "RESAMPLER": "pillow"}
    assert (conf.resampler(), conf.accepted_resamplers()) == ("pillow", ("pillow",))


@pytest.mark.parametrize("background", ["white", "#fff", "#FFFFFF", "#12345g", 7])
def test_invalid_background_is_an_error(background: Any, settings: Settings) -> None:
    set_presets(settings, {"p": {"width": 9, "background": background}})
    (problem,) = problems()
    assert problem[1] == (f"Preset 'p': background is {background!r}; it must be a colour such as '#ffffff'.")


def test_only_formats_with_a_decoder_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "HEIF" in conf.limits().formats
    monkeypatch.setattr(formats, "INSTALLED", ("JPEG", "PNG"))
    assert conf.limits().formats == ("JPEG", "PNG")
