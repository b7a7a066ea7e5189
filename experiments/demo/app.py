"""The application: one page, its style and script, and a JSON API."""

import json
import logging
import threading
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.exceptions import HTTPException as StarletteHTTPException

from experiments.demo.guard import Guard
from experiments.demo.lists import SideBySide
from experiments.demo.new_item import who_gets
from experiments.demo.traffic import sent_and_kept
from experiments.recommend.opened import Opened
from fedrec.config.values.choices import names_in
from fedrec.errors import FedrecError
from fedrec.inference.titles import ItemFinder
from fedrec.report.html.style import STYLE
from fedrec.runs.plain_text import plain

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
LONGEST = 200  # items of a typed history
FOUND = 12  # users or items that a search lists
Id = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Whom(_Body):
    """A user or a history: one of them."""

    user: Id | None = None
    history: list[Id] | None = Field(default=None, min_length=1, max_length=LONGEST)
    k: int = Field(default=10, ge=1, le=50)


class NewItem(_Body):
    """An item that training has not seen, and perhaps a user or a history to rank it for."""

    title: str = Field(min_length=1, max_length=500)
    description: str = Field(default="", max_length=8000)
    genres: list[Id] = Field(default=[], max_length=30)
    year: int | None = Field(default=None, ge=0, le=9999)
    user: Id | None = None
    history: list[Id] | None = Field(default=None, max_length=LONGEST)
    k: int = Field(default=10, ge=1, le=50)


class _Json(JSONResponse):
    """JSON in ASCII: a title may hold halves of surrogate pairs, which UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, allow_nan=False).encode("ascii")


def make_app(opened: Opened) -> FastAPI:
    """The application for a run, or for an exported model.

    Args:
        opened: What recommends.
    """
    app = FastAPI(
        title="fedrec demo",
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        default_response_class=_Json,
    )
    app.add_middleware(Guard)
    _add_errors(app)
    _add_page(app, opened)
    _add_api(app, opened)
    return app


def _add_errors(app: FastAPI) -> None:
    """Every refusal is JSON with one line, whatever was asked."""

    @app.exception_handler(FedrecError)
    def refused(request: Request, error: FedrecError) -> Response:
        return _Json({"error": plain(error)}, status_code=400)

    @app.exception_handler(RequestValidationError)
    def not_understood(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if isinstance(part, str | int))
        return _Json({"error": plain(f"{where[:200]}: {first['msg']}")}, status_code=422)

    @app.exception_handler(StarletteHTTPException)
    def not_found(request: Request, error: StarletteHTTPException) -> Response:
        return _Json({"error": str(error.detail)}, status_code=error.status_code)

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        log.error("%s: %s", type(error).__name__, error)
        return _Json({"error": "this went wrong inside; it is a bug of fedrec"}, status_code=500)


def _add_page(app: FastAPI, opened: Opened) -> None:
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        (PAGE / "index.html").read_text(encoding="utf-8")
    )
    ready = opened.shared
    html = page.render(
        name=plain(ready.name),
        data=plain(ready.dataset.name),
        items=ready.dataset.catalog.num_items,
        users=len(ready.dataset.user_ids),
        views=ready.search.model.view_names,
        genres=sorted(ready.dataset.catalog.genre_names())[:200],
        private=names_in(ready.config.model.private),
        is_export=opened.run is None,
    )
    style = STYLE + (PAGE / "style.css").read_text(encoding="utf-8")
    script = (PAGE / "script.js").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return HTMLResponse(html.encode("utf-8", "replace"))

    @app.get("/style.css", include_in_schema=False)
    def style_sheet() -> Response:
        return Response(style, media_type="text/css")

    @app.get("/script.js", include_in_schema=False)
    def script_file() -> Response:
        return Response(script, media_type="text/javascript")


def _add_api(app: FastAPI, opened: Opened) -> None:
    ready, beside = opened.shared, SideBySide(opened)
    finder, traffic = ItemFinder(ready.catalog), sent_and_kept(opened)
    one_at_a_time = threading.Lock()  # of what the model computes: there are few cores

    @app.get("/api/users")
    def users(q: Annotated[str, Query(max_length=200)] = "") -> dict[str, Any]:
        """Users whose id begins with a text."""
        found = (user for user in ready.dataset.user_ids if user.startswith(q))
        return {"users": [user for user, _ in zip(found, range(FOUND), strict=False)]}

    @app.get("/api/items")
    def items(q: Annotated[str, Query(max_length=200)] = "") -> dict[str, Any]:
        """Items whose title has words that begin as those typed."""
        numbers = finder.search(q, FOUND)
        return {
            "items": [
                {"item": ready.catalog.item_ids[number - 1], "title": finder.titles[number - 1]}
                for number in numbers
            ]
        }

    @app.post("/api/lists")
    def lists(whom: Whom) -> dict[str, Any]:
        """Lists of a user or a history, side by side."""
        with one_at_a_time:
            return beside.of(_one_of(whom.user, whom.history), whom.k)

    @app.post("/api/new-item")
    def new_item(item: NewItem) -> dict[str, Any]:
        """Who would get an item that training has not seen, and what it is near to."""
        has_genres = bool(item.genres)
        columns: dict[str, Any] = {
            "titles": [item.title],
            "descriptions": [item.description],
            "genres": [item.genres] if has_genres else None,
            "years": [item.year],
        }
        whom = item.user or item.history
        with one_at_a_time:
            return who_gets(opened, columns, whom, item.k)

    @app.get("/api/traffic")
    def sent() -> dict[str, Any]:
        """What left the devices and what stayed."""
        return traffic


def _one_of(user: str | None, history: list[str] | None) -> str | list[str]:
    if (user is None) == (history is None):
        raise HTTPException(422, "give one of user and history")
    return user if user is not None else history or []
