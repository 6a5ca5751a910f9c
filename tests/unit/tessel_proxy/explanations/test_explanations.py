"""The paragraph of an error number, as the proxy itself shows it."""

import pytest

from tessel_proxy.explanations import Explanation, paragraph
from tessel_proxy.records.error_codes import ErrorCode


def explanation(happened):
    return Explanation(ErrorCode.WRONG_TOKEN, "Wrong", happened, "`a` < b", "Do.")


@pytest.mark.parametrize("error", ErrorCode)
def test_every_number_is_explained(error):
    found = paragraph(error)
    assert found.error is error
    assert all([found.title, found.happened, found.see, found.act])


def test_the_parts_of_a_paragraph_are_apart():
    found = paragraph(ErrorCode.WRONG_TOKEN)
    assert found.title == "Wrong token"
    assert found.happened.startswith("**Wrong token.** The proxy does not know the token.")
    assert found.see.startswith("`tessel-proxy top`; on the page, the refusals; metrics")
    assert found.act.startswith("Compare `PROXY_TOKEN` or `TM_API_KEY`")


def test_the_paragraph_is_html():
    page = paragraph(ErrorCode.WRONG_TOKEN).html()
    assert page.startswith('<section id="TP2005">\n<h1>TP2005</h1>\n<p><strong>Wrong token.')
    assert "<h2>See it</h2>\n<p><code>tessel-proxy top</code>" in page
    assert "<h2>Do</h2>" in page


def test_html_in_a_paragraph_is_escaped():
    page = explanation("<script>alert(1)</script> & [x](javascript:alert(1))").html()
    assert "<script" not in page
    assert "href" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in page


def test_a_link_to_another_number_stays_on_this_proxy():
    assert '<a href="/errors/TP2031">TP2031</a>' in explanation("[TP2031](#tp2031)").html()


def test_a_link_to_a_page_that_the_proxy_does_not_have_is_plain_text():
    assert "<p>See wire.md and b.</p>" in explanation("See [wire.md](wire.md#a) and b.").html()


def test_the_json_values_have_all_parts():
    found = paragraph(ErrorCode.WRONG_TOKEN)
    assert found.as_json() == {
        "error": "TP2005",
        "name": "wrong_token",
        "title": found.title,
        "happened": found.happened,
        "see": found.see,
        "do": found.act,
        "html": found.html(),
    }
