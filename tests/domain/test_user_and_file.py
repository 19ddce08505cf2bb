"""Users register once; a file exists once, and only its owner may use it."""

from uuid import UUID

import pytest

from domain.errors import ErasureNotRequested, FileNotFound, NotOwner, PersonErased
from domain.media_file import MEDIA_FILE, DeleteFile, FileUploaded, RecordUpload, require_owned
from domain.personal import personal_fields
from domain.user import USER, RecordErasure, RegisterUser, RequestErasure, UserRegistered, require_staying
from tests.builders import (
    ANNA,
    BERT,
    FILE,
    NOON,
    erased,
    erasure_requested,
    file_deleted,
    registered,
    uploaded,
)
from tests.domain.spec import given


def test_a_registration_registers_once() -> None:
    command = RegisterUser(user_id=ANNA, email="anna@example.com", registered_at=NOON)
    given(USER).when(command).then(registered())


def test_an_upload_is_recorded_once() -> None:
    event = uploaded()
    command = RecordUpload(**{name: getattr(event, name) for name in RecordUpload.__struct_fields__})
    given(MEDIA_FILE).when(command).then(event)


def test_an_unknown_file_is_not_found() -> None:
    with pytest.raises(FileNotFound):
        require_owned(MEDIA_FILE.initial, FILE, ANNA)


def test_the_file_of_another_user_is_refused() -> None:
    with pytest.raises(NotOwner):
        require_owned(MEDIA_FILE.fold([uploaded(user_id=ANNA)]), FILE, BERT)


def test_the_owner_gets_the_upload() -> None:
    event = uploaded()
    assert require_owned(MEDIA_FILE.fold([event]), FILE, ANNA) is event


def test_e_mail_and_filename_are_marked_personal() -> None:
    assert personal_fields(UserRegistered) == {"email"}
    assert personal_fields(FileUploaded) == {"filename"}


def delete_file(user_id: UUID = ANNA) -> DeleteFile:
    return DeleteFile(file_id=FILE, user_id=user_id, deleted_at=NOON)


def test_a_file_is_deleted_once() -> None:
    given(MEDIA_FILE, uploaded()).when(delete_file()).then(file_deleted())


def test_only_its_owner_deletes_a_file_and_only_one_that_is_there() -> None:
    given(MEDIA_FILE, uploaded()).when(delete_file(BERT)).then_rejected(NotOwner)
    given(MEDIA_FILE).when(delete_file()).then_rejected(FileNotFound)
    given(MEDIA_FILE, uploaded(), file_deleted()).when(delete_file(BERT)).then_rejected(FileNotFound)


def test_a_deleted_file_is_not_found_and_holds_nothing_of_the_upload() -> None:
    state = MEDIA_FILE.fold([uploaded(), file_deleted()])
    with pytest.raises(FileNotFound):
        require_owned(state, FILE, ANNA)
    assert "talk" not in str(state)


def test_an_upload_that_comes_again_does_not_bring_a_deleted_file_back() -> None:
    event = uploaded()
    command = RecordUpload(**{name: getattr(event, name) for name in RecordUpload.__struct_fields__})
    given(MEDIA_FILE, event, file_deleted()).when(command).then_nothing()


def test_an_erasure_is_requested_once() -> None:
    command = RequestErasure(user_id=ANNA, requested_at=NOON)
    given(USER, registered()).when(command).then(erasure_requested())
    given(USER, registered(), erasure_requested(), erased()).when(command).then_nothing()


def test_an_erasure_is_recorded_once_and_only_when_it_was_requested() -> None:
    command = RecordErasure(user_id=ANNA, erased_at=NOON)
    given(USER, registered(), erasure_requested()).when(command).then(erased())
    given(USER, registered()).when(command).then_rejected(ErasureNotRequested)


def test_who_has_asked_to_be_erased_does_not_stay_and_afterwards_has_no_address() -> None:
    require_staying(USER.fold([registered()]))
    require_staying(USER.initial)
    leaving = USER.fold([registered(), erasure_requested()])
    gone = USER.fold([erased()], leaving)
    for state in (leaving, gone):
        with pytest.raises(PersonErased):
            require_staying(state)
    assert gone.email == ""


def test_nobody_registers_again_with_the_id_of_who_was_erased() -> None:
    command = RegisterUser(user_id=ANNA, email="anna@example.com", registered_at=NOON)
    given(USER, registered(), erasure_requested(), erased()).when(command).then_nothing()
