from fastws._board import Board
from fastws.proxy.sites.stub_status import text


def test_all_workers_are_counted() -> None:
    board = Board(2, 1, 0)
    for number in range(2):
        counts = board.worker(number)
        counts.connection_opened()
        counts.connection_opened()
        counts.request_began()
        counts.wait(1)
    board.worker(0).connection_closed()
    board.worker(1).head_began()
    assert text(board) == (
        b"Active connections: 3 \nserver accepts handled requests\n 4 4 2 \n"
        b"Reading: 1 Writing: 0 Waiting: 2 \n"
    )
