"""The docstring is the specification, so it has to match the code."""

import ast
import inspect
import re
from types import FunctionType

import pytest

from sparsestat.utils.discovery import all_displays, all_functions, public_modules
from tests.estimators import ESTIMATORS, data_for, fitted_attributes
from tests.numpydoc import entries, sections

DISPLAYS = [cls for _, cls in all_displays()]
FUNCTIONS = [function for _, function in all_functions()]
EXPORTED = {
    id(value): value
    for module in public_modules()
    for value in (getattr(module, name) for name in module.__all__)
    if getattr(value, "__module__", "").startswith("sparsestat.")
}
CLASSES = [value for value in EXPORTED.values() if inspect.isclass(value)]
TUPLES = [cls for cls in CLASSES if hasattr(cls, "_fields")]
# What users call lives in a family; deeper modules are for those who extend it.
USER_FUNCTIONS = [
    function
    for function in FUNCTIONS
    if any(
        function is getattr(module, function.__name__, None)
        for module in public_modules()
        if module.__name__.count(".") == 1
    )
]
METHODS = [
    getattr(cls, name)
    for cls in [*ESTIMATORS, *DISPLAYS]
    for name, value in vars(cls).items()
    if isinstance(value, FunctionType | classmethod) and not name.startswith("_")
]


def signature(function):
    """Parameters by name, without self and cls."""
    given = inspect.signature(function).parameters
    return {name: p for name, p in given.items() if name not in ("self", "cls")}


def assert_parameters_documented(documented, given):
    described = entries(sections(documented).get("Parameters", ""))
    described.pop("", None)
    assert list(described) == list(given)
    for name, parameter in given.items():
        assert described[name].split("\n", 1)[1].strip(), f"{name} is not described"
        if parameter.default not in (parameter.empty, None):
            kind = described[name].split("\n")[0]
            _, told, default = kind.partition("default=")
            assert told, f"{name} hides its default: {kind}"
            assert as_written(default, parameter.default), f"{name}: {kind}"


def as_written(text, value):
    """Whether the text is a way of writing the value, ``1e-6`` for ``1e-06``, say."""
    try:
        return ast.literal_eval(text) == value
    except (SyntaxError, ValueError):
        return text == getattr(value, "__name__", str(value))


def assert_summarised(documented):
    summary = sections(documented)[""].split("\n\n")[0]
    assert summary
    assert "\n" not in summary, "the summary is one line"
    assert summary.endswith("."), "the summary is a sentence"


@pytest.mark.parametrize("module", list(public_modules()), ids=lambda m: m.__name__)
def test_module_has_an_introduction(module):
    assert_summarised(module)


@pytest.mark.parametrize("cls", CLASSES)
def test_class_has_a_summary(cls):
    assert vars(cls).get("__doc__"), "its docstring is inherited or missing"
    assert_summarised(cls)


@pytest.mark.parametrize("cls", [*ESTIMATORS, *DISPLAYS])
def test_parameters_are_those_of_the_constructor(cls):
    assert_parameters_documented(cls, signature(cls))


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__qualname__)
def test_method(method):
    assert_summarised(method)
    assert_parameters_documented(method, signature(method))
    assert sections(method).get("Returns"), "what it returns is not said"


@pytest.mark.parametrize("cls", TUPLES)
def test_fields_of_a_value_object_are_listed(cls):
    described = entries(sections(cls).get("Parameters", ""))
    assert [name for name in described if name] == list(cls._fields)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_function_has_a_summary(function):
    assert_summarised(function)


@pytest.mark.parametrize("function", USER_FUNCTIONS, ids=lambda f: f.__name__)
def test_function(function):
    assert_parameters_documented(function, signature(function))
    found = sections(function)
    assert found.get("Examples")
    if inspect.signature(function).return_annotation not in (None, "None"):
        assert found.get("Returns")


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_attributes_are_those_of_a_fit(cls):
    described = entries(sections(cls)["Attributes"])
    fitted = set(fitted_attributes(cls().fit(*data_for(cls()))))
    assert not fitted - set(described), "fitted but not documented"
    for name in set(described) - fitted:
        assert re.search(r"only (when|if)\b", described[name], re.IGNORECASE), (
            f"{name} is documented and absent after fit, but not said to be optional"
        )


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("title", ["See Also", "References", "Examples"])
def test_section_is_there(cls, title):
    assert sections(cls).get(title)
