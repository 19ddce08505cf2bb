"""NVIDIA Riva: recognition on a server of its own, asked over gRPC. All but `server.py` needs the extra `riva`."""
