"""``python -m stream_server``: the server without the rest of the command line."""

from pathlib import Path
from typing import Annotated

import typer

from realtime_model.errors import ModelError
from stream_server.errors import ServerError
from stream_server.settings import load_settings


def main(
    config: Annotated[Path | None, typer.Option(help="YAML file of settings.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "--preset", help="default, emo-sd15, the path of a preset, or testcard."
        ),
    ] = None,
) -> None:
    """Serve talking portraits; every other setting comes from the file or the environment."""
    overrides = {"server.host": host, "server.port": port, "inference.model": model}
    try:
        settings = load_settings(config, overrides)
        # Here, because the spawned model process imports this file and needs none of it.
        from stream_server.app import serve

        serve(settings)
    except (ServerError, ModelError) as exc:
        typer.echo(f"emolive: {exc}", err=True)
        raise typer.Exit(1) from exc


if __name__ == "__main__":
    typer.run(main)
