"""Compose files with one mistake each, from topologies.py."""

import topologies

#: Those that are no mistake.
RIGHT = ("right",)

COMMANDS = "\n".join(
    f"amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology topology/{name}.yaml" for name in topologies.COMPOSE if name not in RIGHT) + """
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology topology/latin.yaml
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology nosuch.yaml
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology a-folder
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology right.png
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology topology/right.yaml --topology nosuch.yaml
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology topology/right.yaml --env-file nosuch.env
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --workers 127.0.0.1:9001 --env-file open.env
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --topology topology/right.yaml --env-file open.env
amp4ec-coordinator --listen 127.0.0.1:0 --topology topology/right.yaml
"""
