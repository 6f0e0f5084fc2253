"""The fields of one trial as a user writes them: `trial:` of a sweep spec, and a trial file.

Both have the same grammar, that of `spaces.parser` without parameters: keys can be dotted, `mixture: mnli` is a mixture
of one task, and a target phase without a mixture or a length has the default one.
"""

from __future__ import annotations

from pydantic import JsonValue, ValidationError

from spaces.checks.contradictions import refuse_contradictions
from spaces.error_values import with_value
from spaces.parser import Place, parse_branch
from spaces.space.tree import Branch
from spaces.space.trial_draft import Draft
from trainables.config import TrialConfig
from trainables.config.validation import config_error
from trainables.errors import ConfigError

Fields = dict[str, JsonValue]
"""Fields of a trial."""


def fixed_branch(fields: Fields, *, origin: str, elsewhere: str) -> Branch:
    """Return the settings of a trial's fields.

    Args:
        fields: The fields as the user wrote them.
        origin: Where they are in the user's document; empty: they are the document.
        elsewhere: The next step for a parameter, which has no place here.

    Raises:
        ConfigError: A field does not exist, or its value is a parameter.
    """
    branch = parse_branch(fields, at=Place(path="", field="", origin=origin))
    if branch.parameters:
        raise ConfigError(branch.parameters[0].origin, f"a trial has fixed values, not parameters; {elsewhere}")
    # Every trial has the TrialConfig itself, so its own empty setting is not needed and has no field's name.
    return Branch(settings=tuple(setting for setting in branch.settings if setting.field))


def plain_fields(fields: Fields) -> Fields:
    """Return a trial's fields as nested mappings, without dotted keys and short forms.

    Raises:
        ConfigError: A field does not exist or is written twice, or its value is a parameter.
    """
    draft = Draft()
    step = "put parameters into a sweep spec, under `families` or `search`"
    branch = fixed_branch(fields, origin="", elsewhere=step)
    refuse_contradictions(branch)
    draft.put_all(branch.settings)
    return draft.values


def trial_config(fields: Fields) -> TrialConfig:
    """Return the trial of fields as a user wrote them.

    Raises:
        ConfigError: A field does not exist, or its value is wrong.
    """
    draft = Draft(values=plain_fields(fields))
    draft.fill_target()
    try:
        return TrialConfig.model_validate(draft.values)
    except ValidationError as error:
        raise with_value(config_error(error), document=draft.values) from None
