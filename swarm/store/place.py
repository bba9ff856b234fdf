"""Where the journal of a run folder is: in the folder, or in a server's schema that a line in it names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from swarm.errors import Failed
from swarm.store.database import connect, is_url

FILE = "journal.sqlite"
ELSEWHERE = "journal.url"
"""A text file with the server's URL, for readers that know the folder alone."""


def journal_of(folder: Path) -> Path | str:
    """The file or URL of the journal of a run; of a folder that has none so far, the file that it would have."""
    named = folder / ELSEWHERE
    return named.read_text("utf-8").strip() if named.exists() else folder / FILE


def has_journal(folder: Path) -> bool:
    """Whether a run has been kept in ``folder``, or on a server that it names."""
    return (folder / FILE).exists() or (folder / ELSEWHERE).exists()


def is_kept(place: Path | str) -> bool:
    """Whether a journal is there.

    Raises:
        ValueError: psycopg, which a server needs, is not installed.
        JournalError: the server does not answer.
    """
    if not is_url(place):
        return Path(place).exists()
    database = connect(place, read_only=True)
    try:
        return database.has("meta")
    finally:
        database.close()


def settle(folder: Path, url: str | None) -> Path | str:
    """Decide where the journal of a run in ``folder`` is kept, and let the folder say so; it never moves later.

    ``url``: of a server, whose schema is called as the folder unless the URL names one; None leaves the folder as it
    is, which is a file in a new one.

    Raises:
        Failed: it is kept elsewhere already, or the schema has the journal of another folder.
        ValueError, JournalError: as from ``is_kept``.
    """
    if url is None:
        return journal_of(folder)
    whole = url if "schema" in parse_qs(urlsplit(url).query) else _with_schema(url, folder.name)
    if not has_journal(folder):
        _see_that_it_is_free(whole, folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ELSEWHERE).write_text(f"{whole}\n", "utf-8")
    elif journal_of(folder) != whole:
        raise Failed(f"the journal of {folder} is kept in {journal_of(folder)}, and does not move to {whole}")
    return whole


def _with_schema(url: str, schema: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}schema={schema}"


def _see_that_it_is_free(url: str, folder: Path) -> None:
    if is_kept(url):
        raise Failed(
            f"schema {parse_qs(urlsplit(url).query)['schema'][0]} has the journal of another run folder: name another "
            f"with ?schema=NAME, or, where that folder is lost, go on from it by writing the URL into "
            f"{folder / ELSEWHERE}"
        )
