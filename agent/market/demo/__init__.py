"""A synthetic market whose news is worth remembering.

Four fictional companies on the real New York calendar, 2021 to 2023. Four effects are planted and documented:

    A programme  announced good or bad with a due date 4-30 sessions ahead; drift for 5 sessions once due; a fifth is withdrawn    weeks
    B outlets    three outlets on the next session, right 85 %, 15 % and 50 % of the time; follow-ups say who was right            a track record
    C exposure   macro news whose sign for a company stands only in its last annual report; one company changes its sign         a year, replaced
    D surprise   revenue above or below plan in 10-Q and 10-K; drift for 8 sessions                                               days

The direction of an effect is written once and its moment comes later, so an agent without memory has little to go by.
"""
