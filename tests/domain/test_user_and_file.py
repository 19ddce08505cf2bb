"""Users register once; a file exists once, and only its owner may use it."""

import pytest

from domain.errors import FileNotFound, NotOwner
from domain.media_file import MEDIA_FILE, FileUploaded, RecordUpload, require_owned
from domain.personal import personal_fields
from domain.user import USER, RegisterUser, UserRegistered
from tests.builders import ANNA, BERT, FILE, NOON, registered, uploaded
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
