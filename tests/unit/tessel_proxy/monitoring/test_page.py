"""The files of the operator's page as they are sent. tests/page has them in a browser."""

import hashlib
import re
from importlib.resources import files

import pytest

from tessel_proxy.monitoring.page import PAGE, SECURITY_HEADERS, error_page

DOCUMENTS = {"/": PAGE[b"/"].body, "/errors/TP2005": error_page("TP2005")}
OWN_SCRIPTS = [path for path in PAGE if path.endswith(b".js") and b"/vendor/" not in path]
FORBIDDEN = (
    *(b"innerHTML", b"outerHTML", b"insertAdjacentHTML", b"document.write"),
    *(b"eval(", b"Function(", b"http://", b"https://"),
)


def test_the_page_is_at_the_root_and_its_files_below_page():
    assert PAGE[b"/"].content_type == b"text/html; charset=utf-8"
    assert {path[:6] for path in PAGE if path != b"/"} == {b"/page/"}
    assert PAGE[b"/page/js/main.js"].content_type == b"text/javascript; charset=utf-8"


def test_equal_files_have_equal_etags_and_others_do_not():
    assert len({file.etag for file in PAGE.values()}) == len({file.body for file in PAGE.values()})
    assert all(re.fullmatch(rb'"[0-9a-f]{32}"', file.etag) for file in PAGE.values())


def test_the_policy_names_no_other_address_and_nothing_unsafe():
    policy = SECURITY_HEADERS[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"unsafe|http|data:|\*", policy)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_has_no_inline_script_style_or_listener(path):
    tags = re.findall(rb"<[a-z][^>]*>", DOCUMENTS[path])
    assert not [tag for tag in tags if re.search(rb"\s(style|on[a-z]+)=|<style", tag)]
    assert all(b" src=" in tag for tag in tags if tag.startswith(b"<script"))


@pytest.mark.parametrize("path", DOCUMENTS)
def test_what_a_document_loads_is_there(path):
    loaded = re.findall(rb'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', DOCUMENTS[path])
    assert loaded
    assert [each for each in loaded if each not in PAGE] == []


@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=bytes.decode)
def test_no_script_makes_markup_or_code_from_text(path):
    code = re.sub(rb"^\s*(//|/?\*).*$", b"", PAGE[path].body, flags=re.MULTILINE)
    assert [each for each in FORBIDDEN if each in code] == []


@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=bytes.decode)
def test_what_a_script_imports_is_there(path):
    folder = path.decode().rpartition("/")[0]
    for imported in re.findall(r'from "([^"]+)"', PAGE[path].body.decode()):
        steps = f"{folder}/{imported}".replace("/./", "/")
        found = re.sub(r"/[^/]+/\.\./", "/", steps)
        assert found.encode() in PAGE, imported


def test_the_chart_library_is_the_one_that_its_readme_names():
    vendor = files("tessel_proxy.monitoring.page") / "files" / "vendor"
    named = re.findall(r"([0-9a-f]{64})  (\S+)", vendor.joinpath("README.md").read_text())
    assert len(named) == 2
    for digest, name in named:
        assert hashlib.sha256(vendor.joinpath(name).read_bytes()).hexdigest() == digest
    assert "MIT License" in vendor.joinpath("uPlot.LICENSE").read_text()


def test_the_page_of_an_error_number_explains_it():
    body = error_page("TP2005").decode()
    assert "<h1>TP2005</h1>" in body
    assert "<title>TP2005: Wrong token</title>" in body


@pytest.mark.parametrize("number", ["TP9999", "tp2005", "", "../TP2005", "<b>"])
def test_an_unknown_error_number_has_no_page(number):
    assert error_page(number) is None
