"""Who in this process listens to what. Nothing here takes longer for more of them, but for what is about all of a partition."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from uuid import UUID

from api.followed import Followed
from api.following import Following
from schemas.partitions import partition_of


class Listeners:
    def __init__(self, partition_count: int) -> None:
        self._partition_count = partition_count
        self._of_user: defaultdict[UUID, set[Following]] = defaultdict(set)
        self._to_everything: defaultdict[UUID, set[Following]] = defaultdict(set)
        self._holds: dict[Following, set[UUID]] = {}
        self._partitions: Counter[int] = Counter()
        self.followed: dict[UUID, Followed[Following]] = {}

    def __len__(self) -> int:
        return len(self._holds)

    def __iter__(self) -> Iterator[Following]:
        return iter(list(self._holds))

    def __contains__(self, following: Following) -> bool:
        return following in self._holds

    @property
    def partitions(self) -> AbstractSet[int]:
        """Of all users who listen."""
        return self._partitions.keys()

    def partition(self, user_id: UUID) -> int:
        return partition_of(user_id, self._partition_count)

    def of_user(self, user_id: UUID) -> AbstractSet[Following]:
        return set(self._of_user.get(user_id, ()))

    def to_everything_of(self, user_id: UUID) -> AbstractSet[Following]:
        return set(self._to_everything.get(user_id, ()))

    def enter(self, following: Following) -> None:
        self._holds[following] = set()
        self._of_user[following.user_id].add(following)
        self._partitions[self.partition(following.user_id)] += 1
        if following.transcription_id is None:
            self._to_everything[following.user_id].add(following)
        else:
            self.attach(following, following.transcription_id)

    def leave(self, following: Following) -> None:
        for transcription_id in list(self._holds[following]):
            self.detach(following, transcription_id)
        del self._holds[following]
        _remove(self._of_user, following)
        _remove(self._to_everything, following)
        partition = self.partition(following.user_id)
        self._partitions[partition] -= 1
        if not self._partitions[partition]:
            del self._partitions[partition]

    def attach(self, following: Following, transcription_id: UUID) -> None:
        self._holds[following].add(transcription_id)
        self.followed.setdefault(transcription_id, Followed()).followings.add(following)

    def detach(self, following: Following, transcription_id: UUID) -> None:
        self._holds[following].discard(transcription_id)
        followed = self.followed.get(transcription_id)
        if followed is not None:
            followed.followings.discard(following)
            if not followed.followings:
                del self.followed[transcription_id]

    def held_by(self, following: Following) -> AbstractSet[UUID]:
        return self._holds[following]

    def holds(self, following: Following, transcription_id: UUID) -> bool:
        return transcription_id in self._holds.get(following, ())

    def concerned(self, user_id: UUID, transcription_id: UUID) -> bool:
        """Whether anybody listens to it; who listens to everything of its user does from now on."""
        for following in self._to_everything.get(user_id, ()):
            self.attach(following, transcription_id)
        return transcription_id in self.followed


def _remove(by_user: defaultdict[UUID, set[Following]], following: Following) -> None:
    if following.user_id in by_user:
        by_user[following.user_id].discard(following)
        if not by_user[following.user_id]:
            del by_user[following.user_id]
