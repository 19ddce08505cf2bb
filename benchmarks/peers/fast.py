"""The same routes with FastAPI and SQLAlchemy's asyncio extension over asyncpg, behind uvicorn."""

import asyncio
import os
import shutil
import wave
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, FastAPI, HTTPException, UploadFile
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from models import File, Transcription, User
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

SECRET = os.environ["PEER_SECRET"]
FOLDER = Path(os.environ["PEER_FOLDER"])

app = FastAPI()
engine = create_async_engine(
    os.environ["PEER_DATABASE"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=16
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


async def open_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def authenticated(sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> UUID:
    try:
        return UUID(jwt.decode(sent.credentials, SECRET, algorithms=["HS256"])["user_id"])
    except (jwt.InvalidTokenError, ValueError, KeyError):
        raise HTTPException(401, "Invalid or expired token") from None


Session = Annotated[AsyncSession, Depends(open_session)]
Caller = Annotated[UUID, Depends(authenticated)]


class Listed(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    transcription_id: UUID = Field(validation_alias="id")
    file_id: UUID
    status: str
    progress_percentage: int
    created_at: datetime
    completed_at: datetime | None


class One(Listed):
    transcript_text: str | None
    processing_time_seconds: int | None


class Quota(BaseModel):
    quota_minutes_remaining: int


class Asked(BaseModel):
    file_id: UUID


class Queued(BaseModel):
    transcription_id: UUID
    file_id: UUID
    status: str
    message: str


class Uploaded(BaseModel):
    file_id: UUID
    filename: str
    status: str
    duration_seconds: int
    message: str


@app.get("/v1/transcriptions/{transcription_id}", response_model=One)
async def get_transcription(transcription_id: UUID, session: Session, caller: Caller) -> Any:
    found = await session.get(Transcription, transcription_id)
    if found is None:
        raise HTTPException(404, "Transcription not found")
    if found.user_id != caller:
        raise HTTPException(403, "Not yours")
    return found


@app.get("/v1/transcriptions", response_model=list[Listed])
async def list_transcriptions(session: Session, caller: Caller) -> Any:
    query = select(Transcription).where(Transcription.user_id == caller)
    return (await session.scalars(query.order_by(Transcription.created_at.desc()).limit(50))).all()


@app.get("/v1/user/quota")
async def get_quota(session: Session, caller: Caller) -> Quota:
    user = await session.get_one(User, caller)
    return Quota(quota_minutes_remaining=user.quota_minutes)


@app.post("/v1/transcriptions", status_code=202)
async def initiate_transcription(asked: Asked, session: Session, caller: Caller) -> Queued:
    file = await session.get(File, asked.file_id)
    if file is None or file.user_id != caller:
        raise HTTPException(404, "File not found or does not belong to user")
    if await session.scalar(select(Transcription).where(Transcription.file_id == file.id)):
        raise HTTPException(409, "Transcription already initiated")
    user = await session.get_one(User, caller)
    if user.quota_minutes < -(-(file.duration_seconds or 0) // 60):
        raise HTTPException(402, "Insufficient quota")
    queued = Transcription(file_id=file.id, user_id=caller, status="queued")
    session.add(queued)
    await session.commit()
    return Queued(
        transcription_id=queued.id,
        file_id=file.id,
        status=queued.status,
        message="Transcription queued successfully",
    )


@app.post("/v1/files/upload", status_code=201)
async def upload_file(file: UploadFile, session: Session, caller: Caller) -> Uploaded:
    path = FOLDER / f"{uuid4()}.wav"
    seconds = await asyncio.to_thread(_store, file, path)
    stored = File(
        user_id=caller,
        original_filename=file.filename or "",
        stored_filename=path.name,
        storage_url=path.as_uri(),
        file_size=file.size,
        duration_seconds=seconds,
        upload_status="uploaded",
    )
    session.add(stored)
    await session.commit()
    return Uploaded(
        file_id=stored.id,
        filename=stored.original_filename,
        status="uploaded",
        duration_seconds=seconds,
        message="File uploaded successfully",
    )


def _store(file: UploadFile, path: Path) -> int:
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    with wave.open(str(path)) as recording:
        return round(recording.getnframes() / recording.getframerate())
