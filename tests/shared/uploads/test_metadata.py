import pytest

from shared.uploads.metadata import Requested, identity, read_metadata, redrive_id, variant_id


def test_typed_values() -> None:
    """Every key becomes a value of its type; what is not given is None."""
    given = {
        "prompt": " %E6%BC%AB ",
        "seed": "-1",
        "steps": "50",
        "scale": "7.5",
        "output": "a/b.png",
        "template": "tplv-x.image",
        "overwrite": "YES",
        "skip": "0",
        "req-json": '{"return_url": true}',
    }
    expected = Requested(
        "漫", -1, 50, 7.5, "a/b.png", "tplv-x.image", True, False, {"return_url": True}
    )

    assert expected == read_metadata(given).requested
    assert Requested() == read_metadata({"style": "oil", "seed": " "}).requested


def test_texts() -> None:
    """Placeholders see every key, decoded, also those without a meaning of their own."""
    assert {"style": "漫", "seed": "7"} == read_metadata({"style": "%E6%BC%AB", "seed": "7"}).texts


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("seed", "-2", "x-tos-meta-seed is '-2': a whole number is needed, -1 for a random one."),
        ("steps", "51", "x-tos-meta-steps is '51': a whole number from 1 to 50 is needed."),
        ("scale", "nan", "x-tos-meta-scale is 'nan': a number from 1 to 30 is needed."),
        ("template", "a~b", "x-tos-meta-template is 'a~b': it has neither '~' nor spaces."),
        ("overwrite", "ja", "x-tos-meta-overwrite is 'ja': 'true' or 'false' is needed."),
        ("skip", "x" * 99, f"x-tos-meta-skip is '{'x' * 57}…': 'true' or 'false' is needed."),
        ("req-json", "[1]", "x-tos-meta-req-json is not a JSON object."),
    ],
)
def test_problem(key: str, text: str, sentence: str) -> None:
    """A text that is no value becomes a problem of its field, and a sentence for the uploader."""
    metadata = read_metadata({key: text, "prompt": "x"})

    (problem,) = metadata.problems
    assert (key.replace("-", "_"), sentence) == (problem.field, str(problem))
    assert Requested(prompt="x") == metadata.requested


def test_stable_ids() -> None:
    """Ids follow from bucket, key, version and known metadata alone, and never change."""
    place = ("photos", "uploads/cat 猫.png", "v1")

    assert "b723cd72bec09cab145deb0d48206bad" == identity(*place, {"style": "oil"})
    assert "b723cd72bec09cab145df4f92ab2d72e" == identity(*place, {"seed": "7", "prompt": "漫画"})
    assert f"{'a' * 20}221eb4f2b01b" == variant_id("a" * 32, 3)
    assert f"{'b' * 20}c44bb738e5b2" == redrive_id("b" * 32)
