"""What somebody writes into a spec, or beside a command, who wants to see it fall over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

HEAD = """\
name: demo
trials: 4
trial:
  encoder: {name: miniature}
  target: {mixture: {miniature_nli: 1.0}, steps: 10, num_dev_items: 0}
  evaluation: {task: miniature_nli, num_items: 10}
  engine: {device: cpu}
"""
REST = """\
families:
  none: {}
  text: {mixture: {miniature_qa: 1.0}, steps: 10}
search: {target.learning_rate: {log: [1e-4, 1e-2]}}
"""
GOOD = HEAD + REST


def with_line(line: str, *, in_place_of: str = "") -> str:
    """Return the good spec with a line more, or in the place of one that begins so."""
    if not in_place_of:
        return f"{GOOD}{line}\n"
    lines = [line if old.lstrip().startswith(in_place_of) else old for old in GOOD.splitlines()]
    return "\n".join(lines) + "\n"


def with_steps(value: str) -> str:
    """Return the good spec with other steps of its target phase."""
    return GOOD.replace("steps: 10, num_dev", f"steps: {value}, num_dev")


def with_rate(value: str) -> str:
    """Return the good spec with another range of learning rates."""
    return GOOD.replace("{log: [1e-4, 1e-2]}", value)


def nested(levels: int, *, inner: str = "1") -> str:
    """Return a flow sequence in flow sequences."""
    return "[" * levels + inner + "]" * levels


def laughs(levels: int, *, wide: int = 9) -> str:
    """Return lists of lists by aliases: `wide` to the power of `levels` values in a few lines."""
    lines = [f"a0: &a0 [{', '.join(['x'] * wide)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * wide)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def merged(levels: int, *, wide: int = 9) -> str:
    """Return mappings that merge each other again and again."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * wide)}]}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def chained(levels: int) -> str:
    """Return a list in a list, each named by an alias, so that no line is nested deep."""
    return "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels))]) + "\n"


DOCUMENTS: dict[str, tuple[str | bytes, str]] = {
    # Aliases, merges, nesting
    "a billion laughs": (laughs(9) + GOOD, "more than 200,000 values"),
    "a million laughs": (laughs(7) + GOOD, "more than 200,000 values"),
    "laughs in the search": (laughs(9) + with_rate("{choice: *a8}"), "more than 200,000 values"),
    "laughs by merging": (merged(9) + GOOD, "merge keys (<<) are not supported"),
    "a chain of aliases": (chained(400) + GOOD, "nested too deep"),
    "an alias of itself in a list": (with_line("description: &a [*a]"), "refers to a value that contains it"),
    "an alias of itself in a mapping": (with_line("priors: &a {arms: *a}"), "refers to a value that contains it"),
    "the whole as an alias of itself": ("&a\n" + with_line("tasks: *a"), "refers to a value that contains it"),
    "an alias of nothing": (with_line("description: *gone"), "undefined alias"),
    "an anchor twice and an alias": ("a: &a 1\nb: &a 2\n" + with_line("seed: *a"), "second occurrence"),
    "a merge of a number": (with_line("<<: 3"), "merge keys (<<) are not supported"),
    "a merge of a missing alias": (with_line("<<: *gone"), "undefined alias"),
    "a merge of a list of numbers": (with_line("<<: [1, 2]"), "merge keys (<<) are not supported"),
    "flow nested a hundred times": (with_line(f"description: {nested(100)}"), "nested too deep"),
    "flow nested a thousand times": (with_line(f"description: {nested(1000)}"), "nested too deep"),
    "flow nested and never closed": (with_line("description: " + "[" * 5000), "nested too deep"),
    "mappings nested a thousand times": (with_line("description: " + "{a: " * 1000 + "1" + "}" * 1000), "too deep"),
    "blocks nested a thousand times": ("".join(f"{' ' * n}a:\n" for n in range(300)), "nested too deep"),
    "a choice nested forty times": (with_rate("{choice: {a: " * 40 + "1e-3" + "}}" * 40), "nested too deep"),
    # Keys
    "a key twice": (with_line("trials: 5"), "'trials' occurs twice"),
    "a key twice further in": (with_steps("10, steps: 11"), "'steps' occurs twice"),
    "a dotted key and its parts": (with_line("search: {}", in_place_of="nothing") + "search: {}\n", "occurs twice"),
    "a number as a key": (with_line("1: 2"), "the key 1 is not a text"),
    "true as a key": (with_line("true: 2"), "the key True is not a text"),
    "nothing as a key": (with_line("~: 2"), "the key None is not a text"),
    "a list as a key": (with_line("[a, b]: 2"), "is not a text"),
    "a mapping as a key": (with_line("{a: b}: 2"), "is not a text"),
    "an empty key in a phase": (with_steps("10, '': 3"), "a part of it is empty"),
    "an empty key in the search": (
        with_line("search: {'': {int: [1, 2]}}", in_place_of="search"),
        "a part of it is empty",
    ),
    "a key with two dots in the search": (
        with_line("search: {target..seed: {int: [1, 2]}}", in_place_of="search"),
        "a part of it is empty",
    ),
    "an empty key": (with_line("'': 2"), "no such field"),
    "a key with a dot at its end": (with_line("search.: {}"), "no such field"),
    "a key of dots": (with_line("...: 2"), ""),
    "a key with a slash": (with_line("a/b: 2"), "a/b: there is no such field"),
    "a key with a NUL": (with_line('"a\\0b": 2'), "which no text can hold"),
    "a key of 1,000 letters": (with_line(f"{'k' * 1000}: 2"), "no such field"),
    "a key in another alphabet": (with_line("ключ: 2"), "ключ: there is no such field"),
    "a key with an escape": (with_line('"\\e[31mred": 2'), "no such field"),
    "a key with a line break": (with_line('"a\\nb": 2'), "no such field"),
    "__class__ as a key": (with_line("__class__: 2"), "no such field"),
    # Numbers
    "1e400 steps": (with_steps("1e400"), "steps"),
    "1e400 as a rate": (with_rate("1e400"), "infinite"),
    "-1e400 as a rate": (with_rate("-1e400"), "infinite"),
    ".inf as a rate": (with_rate(".inf"), "infinite"),
    "-.inf in a range": (with_rate("{log: [-.inf, 1e-2]}"), "finite"),
    ".nan as a rate": (with_rate(".nan"), "infinite"),
    ".nan in a choice": (with_rate("{choice: [1e-3, .nan]}"), "infinite"),
    ".nan trials": (with_line("trials: .nan", in_place_of="trials"), "trials"),
    ".inf trials": (with_line("trials: .inf", in_place_of="trials"), "trials"),
    "1e9 trials, no whole number": (with_line("trials: 1e9", in_place_of="trials"), "trials"),
    "1e21 trials": (with_line(f"trials: {10**21}", in_place_of="trials"), "less than 2147483648"),
    "a number of 5,000 digits": (with_line(f"trials: {'9' * 5000}", in_place_of="trials"), "5,000 digits"),
    "-5 trials": (with_line("trials: -5", in_place_of="trials"), "trials"),
    "trials with a sign alone": (with_line("trials: -", in_place_of="trials"), "correct this line"),
    "octal trials": (with_line("trials: 010", in_place_of="trials"), "'010' is not a decimal number"),
    "hexadecimal steps": (with_steps("0x10"), "'0x10' is not a decimal number"),
    "binary steps": (with_steps("0b101"), "'0b101' is not a decimal number"),
    "steps to base 60": (with_steps("1:30"), "'1:30' is not a decimal number"),
    "a rate to base 60": (with_rate("1:30.5"), "base 60"),
    "steps of 400 digits": (with_steps("9" * 400), "400 digits"),
    "a seed of 2^31": (with_line(f"seed: {2**31}"), "seed"),
    "a seed of 2^64": (with_line(f"seed: {2**64}"), "seed"),
    "a seed as a fraction": (with_line("seed: 0.5"), "seed"),
    "a million concurrent trials in words": (with_line("concurrency: many"), "concurrency"),
    "concurrency 0": (with_line("concurrency: 0"), "concurrency"),
    "concurrency -1": (with_line("concurrency: -1"), "concurrency"),
    "a weight of 0": (GOOD.replace("miniature_qa: 1.0", "miniature_qa: 0.0"), "miniature_qa"),
    "a weight of -1": (GOOD.replace("miniature_qa: 1.0", "miniature_qa: -1.0"), "miniature_qa"),
    "a weight of 1e-400": (GOOD.replace("miniature_qa: 1.0", "miniature_qa: 1e-400"), "miniature_qa"),
    "weights that sum to 2": (GOOD.replace("miniature_qa: 1.0", "miniature_qa: 1.0, miniature_choice: 1.0"), "sum"),
    "a negative batch": (with_steps("10, batch_size: -8"), "batch_size"),
    "half a batch": (with_steps("10, batch_size: 0.5"), "batch_size"),
    "a range from high to low": (with_rate("{log: [1e-2, 1e-4]}"), "low must be below high"),
    "a range of one point": (with_rate("{log: [1e-2, 1e-2]}"), "low must be below high"),
    "a range of nothing": (with_rate("{log: []}"), "[low, high]"),
    "a range of texts": (with_rate("{log: ['1e-4', '1e-2']}"), "finite numbers"),
    "a log range from 0": (with_rate("{log: [0, 1e-2]}"), "above 0"),
    "a log range below 0": (with_rate("{log: [-1e-2, -1e-4]}"), "above 0"),
    "an int range of fractions": (GOOD.replace("steps: 10}", "steps: {int: [0.5, 2.5]}}"), "whole numbers"),
    "a range of huge whole numbers": (GOOD.replace("steps: 10}", f"steps: {{int: [1, {10**30}]}}}}"), "below 2^63"),
    "a log range of huge whole numbers": (GOOD.replace("steps: 10}", f"steps: {{log: [1, {10**30}]}}}}"), "below 2^63"),
    # Words that YAML 1.1 knows
    "yes as trials": (with_line("trials: yes", in_place_of="trials"), "trials"),
    "no as a seed": (with_line("seed: no"), "seed"),
    "on as an order": (with_line("order: on"), "order"),
    "off as a sampler": (with_line("sampler: off"), "sampler"),
    "true as a name": (with_line("name: true", in_place_of="name"), "name"),
    "null as a name": (with_line("name: null", in_place_of="name"), "name"),
    "null as trials": (with_line("trials: ~", in_place_of="trials"), "trials"),
    "null as families": (HEAD + "families:\n", "families"),
    "null as a family": (HEAD + "families: {text: ~}\n", "families.text"),
    "null as the trial": ("name: a\ntrials: 1\ntrial:\n" + REST, "trial"),
    "null as the search": (HEAD + "families: {none: {}}\nsearch:\n", "search"),
    "a date as a name": (with_line("name: 2026-01-01", in_place_of="name"), "would be read as a date"),
    "a time as a description": (with_line("description: 2026-01-01 12:00:00"), "would be read as a date"),
    "= as a value": (with_line("description: ="), "could not determine a constructor"),
    # Tags
    "a Python object": (with_line("description: !!python/object/apply:os.system ['true']"), "constructor"),
    "a Python name": (with_line("description: !!python/name:os.system"), "constructor"),
    "a Python module": (with_line("description: !!python/module:os"), "constructor"),
    "a tag of one's own": (with_line("description: !mine 3"), "constructor"),
    "bytes": (with_line("description: !!binary aGVsbG8="), "is not supported"),
    "a set": (with_line("description: !!set {a, b}"), "is not supported"),
    "an ordered mapping": (with_line("description: !!omap [a: 1, b: 2]"), "is not supported"),
    "pairs": (with_line("description: !!pairs [a: 1, a: 2]"), "is not supported"),
    "a number tagged as text": (with_line("trials: !!str 4", in_place_of="trials"), "trials"),
    "a text tagged as a number": (with_line("trials: !!int many", in_place_of="trials"), "decimal number"),
    "a text tagged as a truth": (with_line("trials: !!bool maybe", in_place_of="trials"), ""),
    "a text tagged as a fraction": (with_rate("!!float low"), ""),
    # Names
    "a name with a slash": (with_line("name: a/b", in_place_of="name"), "name"),
    "a name above": (with_line("name: ../up", in_place_of="name"), "name"),
    "a name of dots": (with_line("name: ..", in_place_of="name"), "name"),
    "a hidden name": (with_line("name: .a", in_place_of="name"), "name"),
    "a name with a space": (with_line("name: a b", in_place_of="name"), "name"),
    "a name with a NUL": (with_line('name: "a\\0b"', in_place_of="name"), "which no text can hold"),
    "a name with half an emoji": (with_line('name: "\\ud83d"', in_place_of="name"), "which no text can hold"),
    "a name with a line break": (with_line('name: "a\\n"', in_place_of="name"), "name"),
    "a name of 1,000 letters": (with_line(f"name: {'a' * 1000}", in_place_of="name"), "name"),
    "a name in another alphabet": (with_line("name: опыт", in_place_of="name"), "name"),
    "a name as an emoji": (with_line("name: 🙂", in_place_of="name"), "name"),
    "a name that looks like an option": (with_line("name: -rf", in_place_of="name"), "name"),
    "a name as a list": (with_line("name: [a]", in_place_of="name"), "name"),
    "an encoder with a NUL": (GOOD.replace("name: miniature", 'name: "a\\0b"'), "which no text can hold"),
    "an encoder with a line break": (GOOD.replace("name: miniature", 'name: "a\\nb"'), "a"),
    "an encoder of 5,000 letters": (GOOD.replace("name: miniature", f"name: {'e' * 5000}"), ""),
    "an encoder as a URL": (GOOD.replace("name: miniature", "name: https://host/model"), ""),
    "an encoder of a user who is none": (GOOD.replace("name: miniature", "name: ~nobody-here/model"), "~nobody-here"),
    "an encoder above": (GOOD.replace("name: miniature", "name: ../../etc/passwd"), ""),
    "an encoder as a file": (GOOD.replace("name: miniature", "name: /etc/passwd"), ""),
    "an encoder without a name": (GOOD.replace("name: miniature", "name: ''"), ""),
    "a task with a slash": (GOOD.replace("miniature_qa: 1.0", "a/b: 1.0"), "a/b"),
    "a task with a NUL": (GOOD.replace("miniature_qa: 1.0", '"a\\0": 1.0'), "which no text can hold"),
    "a task of 1,000 letters": (GOOD.replace("miniature_qa: 1.0", f"{'t' * 1000}: 1.0"), ""),
    "a language that is none": (GOOD.replace("num_items: 10", "languages: ['../en']"), "../en"),
    "a language twice": (GOOD.replace("num_items: 10", "languages: [en, en]"), "languages"),
    "no language": (GOOD.replace("num_items: 10", "languages: []"), "languages"),
    # Structure
    "an empty file": ("", "does not hold a mapping"),
    "white space": ("  \n\n", "does not hold a mapping"),
    "comments alone": ("# nothing\n", "does not hold a mapping"),
    "a list at the top": ("- name: a\n- trials: 3\n", "does not hold a mapping"),
    "a text at the top": ("demo", "does not hold a mapping"),
    "a number at the top": ("3", "does not hold a mapping"),
    "two documents": (f"{GOOD}---\n{GOOD}", "a second document starts here"),
    "a second, empty document": (f"{GOOD}---\n", "a second document starts here"),
    "a directive of YAML 9": (f"%YAML 9.0\n---\n{GOOD}", "correct this line"),
    "an unclosed bracket": (with_line("description: [1, 2"), "correct this line"),
    "an unclosed quote": (with_line('description: "open'), "correct this line"),
    "a tab": (HEAD + "families:\n\tnone: {}\n", "correct this line"),
    "a wrong indent": (HEAD + "families:\n  none: {}\n text: {}\n", "correct this line"),
    "a colon too many": (with_line("description: a: b"), "correct this line"),
    "JSON with a comma": ('{"name": "a", "trials": 1,, }', "correct this line"),
    "an unknown escape": (with_line('description: "\\q"'), "correct this line"),
    "Python": ("import os\nprint(os)\n", ""),
    "a template": ("name: {{ name }}\n", ""),
    "HTML": ("<html><body>404</body></html>", "does not hold a mapping"),
    # Bytes
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not UTF-8"),
    "a gzip": (b"\x1f\x8b\x08\x00" + bytes(range(128, 256)), "not UTF-8"),
    "latin-1": ("description: caf\xe9\n".encode("latin-1"), "not UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "not UTF-8"),
    "NUL bytes": (GOOD.encode() + b"\0\0\0", "cannot be read as YAML"),
    "control characters": (GOOD.encode() + b"description: \x07\x08\n", "cannot be read as YAML"),
    "half a character at the end": (GOOD.encode() + "description: é".encode()[:-1], "not UTF-8"),
    "more than a spec ever is": (GOOD.encode() + b"# " + b"x" * 600_000, "are read"),
    "a list longer than is read": ("a: [" + "1, " * 190_000 + "1]\n", "are read"),
    # Spaces
    "an empty choice": (with_rate("{choice: []}"), "no arms"),
    "a choice of twins": (with_rate("{choice: [1e-3, 1e-3]}"), "equal to an earlier arm"),
    "a choice of 1 and true": (with_steps("10, freeze_embeddings: {choice: [1, true]}"), "freeze_embeddings"),
    "a choice of lists": (with_rate("{choice: [[1e-3], [1e-4]]}"), "has no name"),
    "a choice of a mapping of nothing": (with_rate("{choice: {}}"), "no arms"),
    "a choice without content": (with_rate("{choice: }"), "choice is None"),
    "two words at once": (with_rate("{log: [1e-4, 1e-2], float: [0, 1]}"), "is not allowed beside"),
    "a word that is none": (with_rate("{gaussian: [0, 1]}"), "not a kind of parameter"),
    "a default outside": (with_rate("{log: [1e-4, 1e-2], default: 1}"), "default"),
    "a condition of code": (with_rate("{log: [1e-4, 1e-2], when: \"__import__('os').system('true')\"}"), "when"),
    "a condition of 10,000 brackets": (with_line(f"constraints: ['{'(' * 10_000}']"), "constraints.0"),
    "a constraint of 5,000 terms": (
        with_line(f"constraints: ['target.steps < {'+'.join(['1'] * 5000)}']"),
        "constraints",
    ),
    "a constraint that divides by zero": (with_line("constraints: ['target.steps / 0 > 1']"), "constraints.0"),
    "a constraint with a power of powers": (with_line("constraints: ['target.steps < 9 ** 9 ** 9']"), "constraints.0"),
    "a constraint as a text": (with_line("constraints: target.steps < 3"), "constraints"),
    "a subset of seven tasks": (
        GOOD.replace("{miniature_qa: 1.0}", "{subset: [a, b, c, d, e, f, g]}"),
        "at most 6",
    ),
    "a simplex of one task": (GOOD.replace("{miniature_qa: 1.0}", "{simplex: [miniature_qa]}"), "two or more"),
    "a simplex of one task twice": (GOOD.replace("{miniature_qa: 1.0}", "{simplex: [a, a]}"), "twice"),
    "a task file that is not there": (with_line("tasks: [gone.yaml]"), "gone.yaml"),
    "a task file that is a folder": (with_line("tasks: [/]"), ""),
    "a task file that never ends": (with_line("tasks: [/dev/zero]"), "not a regular file"),
    "tasks as a number": (with_line("tasks: 3"), "tasks"),
    "rungs as text": (with_line("rungs: many"), "rungs"),
    "a thousand rungs": (with_line("rungs: {num: 1000, eta: 2}"), "rungs"),
    "rungs of a huge eta": (with_line(f"rungs: {{num: 3, eta: {10**30}}}"), "rungs"),
    "a budget below 0": (with_line("budget: {steps: -1}"), "budget.steps"),
    "a budget in words": (with_line("budget: {hours: forever}"), "budget.hours"),
    "a budget without end": (with_line("budget: {hours: .inf}"), "budget.hours"),
    "a point that lacks a parameter": (
        with_line("sampler: {name: given, points: [{name: a, assignment: {family: none}}]}"),
        "has no value for 'target.learning_rate'",
    ),
    "a point with a parameter that is none": (
        with_line(
            "sampler: {name: given, points: [{name: a, assignment: {family: none, target.learning_rate: 1e-3, x: 1}}]}"
        ),
        "has 'x'",
    ),
    "a point outside": (
        with_line("sampler: {name: given, points: [{name: a, assignment: {family: none, target.learning_rate: 9.0}}]}"),
        "is not a number from",
    ),
    "a grid of more trials than points": (
        with_rate("{choice: [1e-3]}") + "sampler: {name: grid}\n",
        "trials",
    ),
}
"""Name -> the file's content, and words of the message."""


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "Is a directory"),
    "a pipe": (os.mkfifo, "not a regular file"),
    "a link to itself": (_link_to_itself, "cannot be read"),
    "a link to nothing": (lambda path: path.symlink_to("gone"), "No such file"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "nothing": (lambda _: None, "No such file"),
}
"""Name -> what makes it in the place of a spec, and words of the message."""

ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "1e9 trials": (["--trials", "1e9"], "'1e9' is not a valid whole number"),
    "-5 trials": (["--trials", "-5"], "-5"),
    "0 trials": (["--trials", "0"], "0"),
    "many trials": (["--trials", "many"], "'many'"),
    "inf trials": (["--trials", "inf"], "'inf'"),
    "no number of trials": (["--trials", ""], "''"),
    "1e21 trials": (["--trials", str(10**21)], "too large; give at most 2147483647"),
    "a trial more than can be counted": (["--trials", str(2**31)], "too large; give at most 2147483647"),
    "trials of 5,000 digits": (["--trials", "9" * 5000], "is not a valid whole number"),
    "a setting of nothing": (["--set", ""], "path=value"),
    "a setting without a path": (["--set", "=3"], "path=value"),
    "a setting without a value": (["--set", "trials"], "path=value"),
    "a setting of an empty value": (["--set", "trials="], "trials"),
    "a setting of dots": (["--set", "...=3"], "no field ''"),
    "a setting with a dot behind": (["--set", "trial.=3"], "trial"),
    "a setting with a dot before": (["--set", ".trials=3"], "no field ''"),
    "a setting below a number": (["--set", "trials.more=3"], "has no parts"),
    "a setting of a field that is none": (["--set", "trial.target.stepss=3"], "did you mean 'steps'"),
    "a setting of nonsense": (["--set", "a[0]['b']=3"], "no field"),
    "a setting of __class__": (["--set", "__class__=3"], "no field"),
    "a setting of bad YAML": (["--set", "trials=[1"], "--set trials"),
    "a setting of code": (["--set", "description=!!python/name:os.system"], "--set description"),
    "a setting of an alias of itself": (["--set", "description=&a [*a]"], "refers to a value that contains it"),
    "a setting nested deep": (["--set", f"description={nested(1000)}"], "nested too deep"),
    "a setting of .nan": (["--set", "trial.target.learning_rate=.nan"], "learning_rate"),
    "a setting of a path of 1,000 parts": (["--set", f"{'.'.join(['trial'] * 1000)}=3"], "trial"),
    "an objective that is none": (["--set", "objective=avrage"], "did you mean 'average'"),
    "a name with a slash": (["--name", "a/b"], "--name"),
    "a name above": (["--name", ".."], "--name"),
    "no name": (["--name", ""], "--name"),
    "a name of 1,000 letters": (["--name", "n" * 1000], "--name"),
    "a name that ends its line": (["--name", "a\n"], "--name"),
    "a name of another alphabet": (["--name", "опыт"], "--name"),
    "an option that is none": (["--trails", "3"], "--trails"),
    "an option without a value": (["--trials"], "--trials"),
    "a second spec": (["other.yaml"], "other.yaml"),
    "an earlier sweep that is not there": (["--from", "gone"], "no record"),
    "an earlier sweep of a record that is not there": (["--from", "gone.db#a"], "gone.db"),
    "a record of another kind": (["--record", "mongodb://host/x"], "mongodb"),
    "a record without a file": (["--record", "sqlite://"], "names no file"),
    "a record that is a folder": (["--record", "/"], "is a folder"),
    "a record that is a device": (["--record", "/dev/null"], "no regular file"),
    "a record below a file": (["--record", "wrong.yaml/r.db"], "record"),
    "a record of 5,000 letters": (["--record", "r" * 5000], "record"),
    "a record of a user who is none": (["--record", "~nobody-here/r.db"], "~nobody-here"),
    "a store of a user who is none": (["--store", "~nobody-here/store"], "~nobody-here"),
    "a store of another kind": (["--store", "gs://bucket"], "--store"),
    "a store that is a file": (["--store", "wrong.yaml"], "is a file"),
    "a store in /proc": (["--store", "/proc/store"], "--store"),
    "a store of 5,000 letters": (["--store", "s" * 5000], "--store"),
}
"""Name -> options beside a good spec, and words of the message."""
