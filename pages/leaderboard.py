"""Leaderboard: seed groups on the same market and window, ranked by their median, with what stands against believing the ranking."""

from ui import leaderboard, page, run_view

page.start("Leaderboard", __file__)

with run_view.told():
    market = leaderboard.market()
    if market is None:
        leaderboard.nothing()
    else:
        by, singles = leaderboard.choices()
        found = leaderboard.board(market, by, singles)
        leaderboard.explained(found)
        leaderboard.known_days(found)
        leaderboard.onward(leaderboard.ranking(found))
        leaderboard.below(found.below)
