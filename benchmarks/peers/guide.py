"""The guide's design: Flask, SQLAlchemy with psycopg, behind gunicorn. It leaves out the queue, which would cost it more."""

import os
import wave
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
from flask import Flask, Response, g, jsonify, request
from models import File, Transcription, User
from sqlalchemy import create_engine, select
from sqlalchemy.orm import scoped_session, sessionmaker
from werkzeug.utils import secure_filename

SECRET = os.environ["PEER_SECRET"]
FOLDER = Path(os.environ["PEER_FOLDER"])

app = Flask(__name__)
engine = create_engine(
    os.environ["PEER_DATABASE"].replace("postgresql://", "postgresql+psycopg2://"), pool_size=8
)
db = scoped_session(sessionmaker(engine))


@app.teardown_appcontext
def close_session(_: BaseException | None) -> None:
    db.remove()


def requires_auth(route: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(route)
    def checked(*args: Any, **kwargs: Any) -> Any:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return jsonify(error="Authorization header missing"), 401
        try:
            g.user_id = UUID(jwt.decode(token, SECRET, algorithms=["HS256"])["user_id"])
        except (jwt.InvalidTokenError, ValueError, KeyError):
            return jsonify(error="Invalid or expired token"), 401
        return route(*args, **kwargs)

    return checked


@app.get("/v1/transcriptions/<uuid:transcription_id>")
@requires_auth
def get_transcription(transcription_id: UUID) -> Any:
    found = db.get(Transcription, transcription_id)
    if found is None:
        return jsonify(error="Transcription not found"), 404
    if found.user_id != g.user_id:
        return jsonify(error="Not yours"), 403
    body = {
        "transcription_id": found.id,
        "file_id": found.file_id,
        "status": found.status,
        "progress_percentage": found.progress_percentage,
        "created_at": found.created_at.isoformat(),
    }
    if found.status == "completed":
        body["transcript_text"] = found.transcript_text
        body["completed_at"] = found.completed_at.isoformat()
        body["processing_time_seconds"] = found.processing_time_seconds
    return jsonify(body)


@app.get("/v1/transcriptions")
@requires_auth
def list_transcriptions() -> Response:
    query = select(Transcription).where(Transcription.user_id == g.user_id)
    found = db.scalars(query.order_by(Transcription.created_at.desc()).limit(50))
    return jsonify(
        [
            {
                "transcription_id": each.id,
                "file_id": each.file_id,
                "status": each.status,
                "created_at": each.created_at.isoformat(),
                "progress_percentage": each.progress_percentage,
                "completed_at": each.completed_at.isoformat() if each.completed_at else None,
            }
            for each in found
        ]
    )


@app.get("/v1/user/quota")
@requires_auth
def get_quota() -> Response:
    return jsonify(quota_minutes_remaining=db.get_one(User, g.user_id).quota_minutes)


@app.post("/v1/transcriptions")
@requires_auth
def initiate_transcription() -> Any:
    file = db.get(File, UUID(request.get_json()["file_id"]))
    if file is None or file.user_id != g.user_id:
        return jsonify(error="File not found or does not belong to user"), 404
    existing = db.scalar(select(Transcription).where(Transcription.file_id == file.id))
    if existing is not None:
        return jsonify(error="Transcription already initiated", transcription_id=existing.id), 409
    user = db.get_one(User, g.user_id)
    if user.quota_minutes < -(-(file.duration_seconds or 0) // 60):
        return jsonify(error="Insufficient quota", quota_minutes_remaining=user.quota_minutes), 402
    asked = Transcription(file_id=file.id, user_id=g.user_id, status="queued")
    db.add(asked)
    db.commit()
    body = {"transcription_id": asked.id, "file_id": asked.file_id, "status": asked.status}
    return jsonify(body | {"message": "Transcription queued successfully"}), 202


@app.post("/v1/files/upload")
@requires_auth
def upload_file() -> Any:
    sent = request.files["file"]
    filename = secure_filename(sent.filename or "")
    if not filename:
        return jsonify(error="No selected file"), 400
    path = FOLDER / f"{uuid4()}_{filename}"
    sent.save(path)
    with wave.open(str(path)) as recording:
        seconds = round(recording.getnframes() / recording.getframerate())
    file = File(
        user_id=g.user_id,
        original_filename=filename,
        stored_filename=path.name,
        storage_url=path.as_uri(),
        file_size=path.stat().st_size,
        duration_seconds=seconds,
        upload_status="uploaded",
    )
    db.add(file)
    db.commit()
    body = {"file_id": file.id, "filename": filename, "status": "uploaded", "duration_seconds": seconds}
    return jsonify(body | {"message": "File uploaded successfully"}), 201
