"""What is wrong with the shape of data, said in one line."""

from pydantic import ValidationError


def first_fault(error: ValidationError) -> str:
    """The first fault that `error` holds: what was found, where, and what was expected.

    Examples: `key 'answers' is missing at data[0].paragraphs[3].qas[1]`,
    `data[0].paragraphs: input should be a valid array, found 'x'`.
    """
    fault = error.errors(include_url=False)[0]
    location, message = fault["loc"], fault["msg"]
    if fault["type"] == "json_invalid":
        return message
    if fault["type"] == "missing":
        return f"key {location[-1]!r} is missing at {_path(location[:-1])}"
    found = repr(fault["input"])
    shortened = found if len(found) <= 60 else f"{found[:57]}..."
    return f"{_path(location)}: {message[0].lower()}{message[1:]}, found {shortened}"


def _path(location: tuple[int | str, ...]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".") or "the top level"
