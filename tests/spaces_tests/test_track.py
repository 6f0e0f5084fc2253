"""Sinks in a spec: their forms, and that a spec holds no secret."""

from __future__ import annotations

import pytest

from spaces.sweep_spec import load_sweep_spec, make_sweep_spec, recorded
from trainables.errors import ConfigError


def with_track(*sinks: object) -> dict:
    return load_sweep_spec("demo").model_dump(mode="json") | {"track": list(sinks)}


def test_every_sink_is_kept_as_it_was_written() -> None:
    sinks = [
        {"mlflow": "http://127.0.0.1:5000"},
        {"wandb": "lab/stilts"},
        {"tensorboard": "runs"},
        {"webhook": "https://example.org/hook"},
        {"webhook": "$HOOK"},
    ]
    spec = make_sweep_spec(with_track(*sinks))

    assert recorded(spec)["track"] == sinks
    assert [sink.kind for sink in spec.track] == ["mlflow", "wandb", "tensorboard", "webhook", "webhook"]
    assert make_sweep_spec(recorded(spec)) == spec


def test_a_spec_without_sinks_is_recorded_as_before() -> None:
    assert "track" not in recorded(load_sweep_spec("demo"))


@pytest.mark.parametrize(
    ("sink", "message"),
    [
        ({}, "has 0"),
        ({"mlflow": "http://a", "wandb": "b"}, "has 2"),
        ({"mlflw": "http://a"}, "mlflw"),
        ({"mlflow": " "}, "tracking URI"),
        ({"mlflow": "https://me:hunter2@host"}, "MLFLOW_TRACKING_TOKEN"),
        ({"webhook": "https://me:hunter2@host/x"}, "XSTILTS_WEBHOOK_TOKEN"),
        ({"webhook": "https://host/x?key=hunter2"}, "environment variable"),
        ({"webhook": "ftp://host/x"}, "http or https"),
        ({"webhook": "http://[half"}, "no URL"),
        ({"wandb": "a/b/c"}, "PROJECT or ENTITY/PROJECT"),
    ],
)
def test_a_sink_that_cannot_be_used_is_refused(sink: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        make_sweep_spec(with_track(sink))
    assert refused.value.field.startswith("track")


@pytest.mark.parametrize("url", ["https://me:hunter2@host/x", "https://host/x?key=hunter2"])
def test_the_message_repeats_no_secret(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_sweep_spec(with_track({"webhook": url}))
    assert "hunter2" not in str(refused.value)
