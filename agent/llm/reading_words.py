"""The vocabulary of the reader: ordinary words of financial news, by sense.

Nothing here is fitted to one publisher or data set. Each table is a list of words and phrases that a lexicographer would put under
one sense; ``any_of`` makes a pattern of it. Inflected forms are spelled out where a general rule would catch a wrong word.
"""

from __future__ import annotations

import re
from re import Pattern


def listed(table: str) -> list[str]:
    """The phrases of a table, separated by commas or new lines, longest first so that a phrase wins over its first word."""
    phrases = {" ".join(part.split()) for part in re.split(r"[,\n]", table)} - {""}
    return sorted(phrases, key=lambda p: (-len(p), p))


def alternatives(*tables: str) -> str:
    """A regular expression that matches any phrase as whole words; spaces match any white space or a hyphen."""
    phrases = listed(",".join(tables))
    return r"(?:" + "|".join(re.escape(p).replace(r"\ ", r"[\s-]+").replace(r"\-", r"[\s-]?") for p in phrases) + r")"


def any_of(*tables: str) -> Pattern[str]:
    return re.compile(rf"(?<![\w-]){alternatives(*tables)}(?![\w])", re.IGNORECASE)


NEGATIONS = """not, no, never, nor, neither, without, cannot, isn't, wasn't, aren't, weren't, don't, doesn't, didn't, won't, hasn't, haven't, hadn't,
can't, couldn't, wouldn't, no longer, hardly, barely, scarcely, far from, rather than, instead of, denies, denied, deny, denying,
nothing, none, anything but, stopped short of, ruled out, rules out, rejected talk, dismissed talk, false that, untrue that"""

MODALS = """could, may, might, would, should, if, unless, whether, can, risk of, risks, risk, fear of, fears, fear, threat of, threatens to,
threatened to, in case, likely to, unlikely to, expected to, expects to, set to, poised to, about to, plans to, hopes to, hope to,
aims to, seen to, forecast to, tipped to, due to, possible, possibly, potential, potentially, perhaps, speculation, calls to, urged to,
pressure to, considering, weighs, mulls, mulling, hypothetical, when"""

GOOD = """favourable, favorable, favourably, favorably, promising, encouraging, bright, brighter, upbeat, positive, positively, optimistic,
optimism, confident, confidence, hopeful, hopes, constructive, good, better, best, strong, stronger, solid, robust, healthy, rosy,
sunny, well placed, well positioned, on track, supportive, support, backing, backed, likely to succeed, likely to win, likely to pass,
likely to be approved, expected to succeed, expected to win, success, successful, succeed, win, wins, winning, boost, boosts, upside,
benefit, benefits, beneficial, advantageous, lucrative, profitable, accretive, welcome, welcomed, warm, warmly, bullish, tailwind,
tailwinds, approve, approved, in its favour, in the company's favour, smooth, smoothly, comfortable, comfortably, attractive, cheerful,
buoyant, sanguine, assured, reassuring, pleased, impressed, impressive, enthusiastic, enthusiasm, opportunity, improve, improves,
improved, improving, improvement, add to earnings, adds to earnings, lift, lifts, help, helps, helpful, plus, thumbs up, green light,
high hopes, good chance, good chances, odds in favour, auspicious, heartening, propitious, rewarding, fruitful, brisk, be approved,
win approval, gain approval, approval expected, approval likely, expects approval, expect approval, expected to be approved,
cautiously optimistic, cautious optimism, gains expected, should gain, points up, point up, pointing up, points upward,
tilted to the upside, leans positive, lean positive, in good shape, going well, goes well, plain sailing, well received, on schedule,
ahead of schedule, ahead of plan, shines, sweet, cheered, cheers, cheering, sees gains, expects gains, add value, adds value,
creates value, valuable, stands to gain, stands to benefit, paying off, pay off, pays off, payoff, fair wind, good omen, good omens,
glowing, bodes well, bode well, augurs well, augur well, expected to please, pleasant surprise, in favour, wins over,
like what they see, hopeful signs, reason to cheer, upbeat mood, sure-footed, clear path, smooth path, excited, excitement, thriving,
convincing, strength, adding to earnings, add value to, hope, high hope, approved by, to be approved"""

BAD = """unfavourable, unfavorable, unfavourably, unfavorably, unpromising, discouraging, bleak, bleaker, dim, dimmer, downbeat, negative,
negatively, pessimistic, pessimism, doubtful, doubts, doubt, sceptical, skeptical, scepticism, skepticism, worried, worry, worries,
worrying, concern, concerns, concerned, concerning, bad, worse, worst, weak, weaker, poor, poorer, fragile, gloomy, gloom, grim, dark,
darker, cloudy, clouded, badly placed, off track, opposition, opposed, resistance, likely to fail, likely to lose,
likely to be rejected, expected to fail, failure, failed, fail, fails, lose, loses, losing, loss, losses, setback, setbacks, downside,
harm, harmful, harms, hurt, hurts, damage, damaging, costly, dilutive, unwelcome, bearish, headwind, headwinds, reject, rejected,
against the company, rough, bumpy, uncomfortable, unattractive, cautious, wary, nervous, uneasy, anxious, unease, disappointed,
disappointing, disappointment, trouble, troubled, problem, problems, problematic, difficult, difficulty, difficulties, deteriorate,
deteriorates, deteriorated, deteriorating, weighs, minus, thumbs down, red flag, low hopes, poor chance, poor chances, long odds,
ominous, adverse, adversely, detrimental, burden, burdensome, sour, sombre, somber, dire, shaky, overrun, overruns, onerous, risky,
inauspicious, uphill, downcast, dismal, hopes fade, hopes are fading, hopes have faded, dashed hopes, hopes dashed, rejection likely,
likely rejection, expects rejection, expect rejection, fear rejection, fears rejection, points down, point down, pointing down,
points downward, tilted to the downside, leans negative, lean negative, in bad shape, going badly, goes badly, behind schedule,
behind plan, badly received, brace for, braces for, bracing for, braced for, rocky, thorny, weigh on, weighs on, drag on, a drag,
bodes ill, bode ill, augurs ill, augur ill, bad omen, bad omens, bitter, unhappy, sour mood, destroys value, costs more than,
stands to lose, stands to suffer, fears, fear, feared, risk, risks, cloud, clouds, frown, frowns, unconvincing, murky, threatened,
threatens, threat, jeopardy, jeopardise, jeopardize, strained, reservations, misgivings, low odds, dread, poorly, weakness,
going against, go against, goes against, stumble, stumbles, stumbling, struggle, struggles, struggling, criticism, critical of,
hostile, hostility, lawsuits, objections, objection, objects, distress, dashes, write-down, writedown, write-off"""

CANCEL = """withdrawn, withdraws, withdrew, withdrawing, withdrawal of, cancelled, canceled, cancels, cancellation of, scrapped, scraps, scrapping,
shelved, shelves, abandoned, abandons, abandoning, terminated, terminates, termination of, called off, calls off, halted for good,
stopped for good, dropped, drops, axed, axes, ditched, ditches, binned, mothballed, discontinued, discontinues, pulled, pulls,
pulled the plug, pulls the plug, pulls out of, pulled out of, walks away from, walked away from, walks away, walked away,
backed out of, backs out of, will not go ahead, won't go ahead, is not going ahead, not go ahead, will not proceed, won't proceed,
not proceed, no longer proceed, no longer go ahead, off the table, suspended indefinitely, put on ice, rescinded, rescinds, revoked,
retracted, ended work on, ends work on, ceased work on, ceases work on, given up, gave up on, gives up on, void, voided, annulled,
killed off, kills, killed, dead, wound up, winds up, is over, has been stopped, nixed, aborted, aborts, quashed, dissolved,
struck from, taken off the agenda, removed from the agenda, no longer pending, no longer planned, no longer pursued, no longer pursue,
no longer going ahead, will not happen, won't happen, nothing will come of, comes to nothing, came to nothing, lapsed, written off,
closed down, shut down, halted permanently, permanently halted, permanently stopped, jettisoned, off the calendar,
taken off the calendar, off the schedule, deleted from the plan, crossed off, stood down, will be no, not be pursued, not be continued,
will not be built, will not be launched, pulls back from, pulled back from, stopped work on, stops work on, ended for good,
ends for good, has ended, brought to an end, cut short, drops plans, dropped plans, turns its back on, turned its back on, withdrawal,
not going forward, will not go forward, won't go forward, discarded, discards, calls time on, called time on, retired, ended early,
cans, canned"""

REVIVE = "revived, revives, reinstated, reinstates, relaunched, back on the agenda, back on track, resurrected, resumed, restarted, resubmitted, refiled"

PENDING = """due, expected, decision, outcome, ruling, verdict, result, results, approval, awaiting, awaited, awaits, pending, scheduled, slated,
planned, plans, launch, launches, launching, start, starts, completion, complete, answer, vote, opening, opens, window, milestone,
announcement, announced, announces, unveils, unveiled, deadline, conclusion, review, anticipated, timetable, arrive, arrives, arrival,
to be decided, to come, ahead, away, from now, remains, remaining, still to come, waiting, go live, effect, take effect, roll-out,
rollout, kick-off, begins, begin, commences, delivery, readout, hearing, closing, award, looms, nears, nearing, approaches,
approaching, reminder, outlook, prospects"""

NOW = """opens now, opens today, open now, now open, opens this session, opens tomorrow, opens at the next session, imminent, imminently,
due now, due today, due tomorrow, is here, has arrived, underway, under way, begins today, begins now, starts today, starts now,
begins tomorrow, starts tomorrow, takes effect today, takes effect now, taking effect, goes live, going live, any day, any moment,
at hand, window is open, window opens, window has opened, has begun, has started, kicks off today, kicks off now, kicks off, now due,
falls due, has come due, comes due, the day has come, time has come, on the doorstep, within hours, next session, coming session,
tomorrow, from today, as of today, reaches its date, reached its date, has reached"""

RIGHT_STRONG = """matched the later, matched the figures, matched the numbers, matches the figures, matches the numbers, fits the figures, fitted the figures,
tallied with, tallies with, squares with, squared with, had been right, told the same story, tell the same story, as the note said, as the note had said, vindicated, borne out, bore out, on the mark, on the money, held up, holds up, stood up, spot on, well founded, well-founded,
came true, comes true, materialised, materialized, proven right, backed up by events, checked out, checks out, hit the mark,
matched events, matched what followed, validated, upheld, corroborated, substantiated, confirmed, confirms, verified, accurate,
bang on, dead on, prescient, got it right, had it right, called it right, called it, on target, played out, plays out, panned out,
proved itself, lived up to, came to pass, happened as described, as described, as reported, hit the nail, justified, well sourced,
reliable, agreed with events, agrees with events, consistent with events, good call, rang true, events bore it out, shown to be right,
score one for, on the nose, stood the test, stands the test, stood the test of events, was no invention, holds true, held true,
proved correct, proven correct, proved true, proved right, agreed with the facts, matched the facts, had the facts, spot-on, faithful,
hit home, hit its mark, came good, comes good, what happened"""
RIGHT_WEAK = "right, correct, true, sound, good, precise, solid, valid, fair, just"
WRONG_STRONG = """does not stand up, did not stand up, do not stand up, does not hold up, does not hold water, did not hold water, holds no water, held no water,
gives the lie to, give the lie to, gave the lie to, nothing came of, nothing has come of, no sign of what, told the opposite, tells the opposite, tell the opposite,
went the other way, ran the other way, did not add up, does not add up, not what happened, wide of the mark, off the mark, mistaken, incorrect, inaccurate, unfounded, baseless, groundless, did not hold, did not hold up,
didn't hold up, failed to hold, failed to hold up, refuted, disproved, disproven, contradicted, contradicts, debunked, off base,
misplaced, came to nothing, fizzled, no truth, misfired, erroneous, misleading, fell flat, false alarm, false, untrue, missed the mark,
fell apart, fell through, ill-founded, ill founded, unsupported, off target, far from the truth, got it wrong, had it wrong,
called it wrong, discredited, failed to materialise, failed to materialize, failed to come true, did not come true, never materialised,
never materialized, invalid, denied, overturned, wrong, unreliable, missed, bad call, backfired, belied, rebutted, without foundation,
unsubstantiated, led readers astray, at odds with events, did not happen, never happened, opposite happened, opposite was true,
opposite of what happened, did not survive, stands corrected, so far off, far off, way off, missed its mark, off the track,
proved false, proved wrong, invention, invented, fiction, pure fiction, wild goose chase, phantom, misread, misjudged, misinformed,
wrong-footed, hollow, no substance, without substance, no basis, without basis, not the case, mistook, in error, errs, erred, amiss,
astray, bogus, exaggerated, overstated, overblown, busted, sunk, sank, did not pan out, failed the test, failed to pan out,
not borne out, never came"""

NOTE = """note, notes, report, reports, tip, tips, item, story, piece, whisper, whispers, rumour, rumours, rumor, rumors, call, claim, claims,
hint, talk, line, word, scoop, chatter, dispatch, bulletin, account, article, column, memo, message, brief, briefing, alert, hearsay,
suggestion, read, view, forecast, prediction, assertion, coverage, reporting, information, flash, mention, post, preview, reading"""
FOLLOW_UP = """follow-up, followup, following up, update on, in hindsight, with hindsight, after the fact, looking at the record, checked, checking,
turned out, turns out, proved, proves, proven, has been, had been, was, were, earlier, last week's, previous, yesterday's, recent,
came, got, held, stood, fell, correction, scorecard, postscript, aftermath, settled, resolved, did not, does not, never, scored,
score one, since, later, now, looking again, week after, day after, events, verdict, tested, the record, afterwards, failed, happened,
matched, borne, vindicated, confirmed"""

RUMOUR = """unconfirmed, hears, hear, heard, reportedly, whisper, whispers, whispering, desk talk, sources say, sources said, source says,
sources suggest, sources suggesting, according to sources, people familiar, person familiar, said to be, are said to, is said to,
rumour, rumours, rumor, rumors, rumoured, rumored, word is, word has it, word on the street, talk is, talk of, market talk,
trading desks, traders say, dealers say, chatter, channel checks, channel check, buzz, speculation, speculates, grapevine,
insiders say, insiders, insider, tipped, tips, tip, hints, hint, suggests, suggest, understands, learns, learned, has learnt, is told,
was told, we are told, allegedly, supposedly, apparently, not confirmed, not yet confirmed, not been confirmed, not verified,
could not be verified, could not be confirmed, anonymous, unnamed, off the record, behind closed doors, claims, claim, gossip,
scuttlebutt, picks up, picked up, believed to, thought to, early word, early read, pre-session note, morning note, note, notes say,
preview, contacts say, contacts, checks point to, checks suggest, suppliers say, customers say, it is understood, is understood to,
are understood to, those close to, close to the matter, close to the company, tell us, told us, tells us, murmur, murmurs, murmuring,
floor talk, floor chatter, circulating, circulates, making the rounds, doing the rounds, makes the rounds, our read, our sense,
our contacts, we gather, gathers, one source, two sources, three sources, several sources, a source, sources, person briefed,
people briefed, briefed on, no confirmation, unattributed, unofficial, unofficially, informal, whispered, overheard, tittle-tattle,
unverified, yet to be confirmed, pre-market note, before the bell note, desk note, our desk, desks say, desk says, a tip,
by all accounts"""
HEDGED = """unconfirmed, not confirmed, not yet confirmed, not been confirmed, not verified, could not be verified, could not be confirmed,
no confirmation, without confirmation, awaits confirmation, awaiting confirmation, remains to be confirmed, has not commented,
declined to comment, did not comment, unverified"""
AHEAD = """ahead, above, strong, stronger, strength, brisk, brisker, better, beat, beats, beating, exceed, exceeds, exceeding, exceeded,
outpacing, outpace, robust, healthy, solid, upbeat, buoyant, surging, firm, firmer, faster, accelerating, picking up, rising, growing,
busier, hot, booming, good, positive, favourable, favorable, encouraging, impressive, higher, lively, heavy demand, full order books,
swelling, improving, improved, improvement, nicely, tops, topping, surpass, surpassing, bright, pleasant, pleasantly, climbing,
expanding, bumper, stellar, tight supply, sold out, rosy, bullish, beaten, healthier, exceptional, orders up, sales up, demand up,
volumes up, order books are full, order book is full, busier than, running hot, upside surprise, ticking up, over plan, over budget,
over target, in excess of, gathering pace, gathering steam, firing on all cylinders, better-than-expected, stronger-than-expected,
more than planned, more than expected, crowded, overbooked, sells out, selling out, flying off, strongly, briskly, on the up, humming,
pleasing, a beat, plump, hefty, vigorous, lift"""
BEHIND = """behind, below, soft, softer, softness, softening, weak, weaker, weakness, weakening, slow, slower, slowing, sluggish, miss, misses,
missing, missed, short of, shortfall, lagging, lags, trailing, trails, poor, poorer, disappointing, downbeat, thin, thinner, lighter,
flagging, falling, declining, shrinking, worse, bad, negative, unfavourable, unfavorable, lower, lacklustre, lackluster, tepid,
subdued, muted, cooling, fading, faltering, stalling, delays, delayed, delay, cancellations, empty, idle, problems, trouble, dull,
drying up, anaemic, anemic, dropping, slipping, sliding, bleak, bearish, gloomy, quiet, quieter, struggling, undershooting, undershoot,
slack, under plan, under budget, unimpressive, dismal, feeble, slump, slumping, orders down, sales down, demand down, volumes down,
order books are thin, running cold, downside surprise, ticking down, less than planned, less than expected, worse-than-expected,
weaker-than-expected, losing pace, losing steam, under target, growing doubts, growing doubt, growing concern, growing concerns,
rising concern, rising concerns, doubts, worries, concern, concerns, orders cut, cutting orders, cancelling orders, unsold, piling up,
piles up, stockpiles, a miss, dries up, dried up, dwindling, dwindles, ebbing, ebbs, waning, wanes, languishing, languid, weakly,
softly, limp, pale, patchy, thinly, going slack, deserted, discounting, discounts, gone quiet, off the pace, under water, in arrears"""

HARD_RECAP = """recap, look back, looks back, looking back, a look at, in retrospect, retrospective, year in review, month in review, week in review,
quarter in review, in review, review of the year, flashback, throwback, from the archive, archives, revisited, revisits, revisiting,
anniversary, the story so far, timeline, history of, a history, how we got here, what we know, what you need to know,
all you need to know, explainer, opinion, op-ed, editorial, columnist, column, commentary, commentator, pundit, pundits, poll, polled,
survey of readers, readers, chart watchers, chartists, chart, charts, technical analysts, technical analysis, listicle, quiz, podcast,
newsletter, stocks to watch, things to know, things to watch, reasons to, reasons why, letter to the editor, sponsored, advertorial,
horoscope, astrology, nostalgia, years ago, one year on, as we reported, as previously reported, previously reported, old news,
summary of, round-up, roundup, wrap-up, memories of, blog, blogger, bloggers, forum, message board, social media, influencer,
guest post, interview with, profile of, long read, in pictures, gallery, trivia, debate, fans, enthusiasts, in case you missed it,
rehash, rehashed, rehashes, retells, retold, retelling, recalls how, recounts, recounted, recounting, class action, law firm,
shareholder alert, investor alert, lead plaintiff, market size, market forecast report, market to reach, cagr, morning buzz,
jim cramer, stock to buy, stocks to buy, price target history"""
SOFT_RECAP = """nothing new, no new facts, no new information, no new details, no fresh facts, no fresh information, no fresh details, no new data,
no news, without new facts, without new information, adds nothing, added nothing, offers nothing new, offered no, offers no new,
contains no new, no numbers, no figures, gave no details, gives no details, nothing concrete, no concrete"""
LIST_TITLE = re.compile(
    r"^\W*(?:\d+|two|three|four|five|six|seven|eight|nine|ten|top)\s+(?:\w+\s+){0,3}"
    r"(?:stocks|shares|things|reasons|ways|takeaways|charts|names|picks|questions|facts|lessons|companies|myths|ideas|winners|losers)\b",
    re.IGNORECASE,
)

RISE_NOUN = """rise, rises, increase, increases, jump, jumps, gain, gains, surge, surges, climb, upturn, upswing, rally, rallies, strengthening,
strength, firming, upward move, upward movement, upward moves, appreciation, growth, spike, spikes, advance, uptick, escalation,
inflation, rebound, hike, hikes, upward change, recovery, elevation, pick-up, pickup, tightening, boom, run-up, swing higher, move up,
upward pressure, leap, upward shift, upward turn, higher level"""
FALL_NOUN = """fall, falls, decrease, decreases, decline, declines, drop, drops, slump, slumps, slide, reduction, reductions, downturn, downswing,
weakening, weakness, easing, softening, downward move, downward movement, downward moves, depreciation, retreat, dip, plunge, collapse,
contraction, slackening, cut, cuts, moderation, pullback, loosening, tumble, downtick, sell-off, selloff, rout, crash, swing lower,
move down, downward pressure, downward shift, downward turn, lower level, sag"""
RISE_ADJECTIVE = "higher, rising, increasing, increased, stronger, climbing, elevated, firmer, appreciating, surging, growing, dearer, costlier, more expensive, soaring, strengthening, expensive, heightened, strong, high"
FALL_ADJECTIVE = "lower, falling, decreasing, decreased, weaker, declining, reduced, softer, depreciating, cheaper, sliding, slumping, weakening, easing, cheap, subdued, weak, low"
RISE_VERB = """rise, rises, rose, risen, rising, increase, increases, increased, climb, climbs, climbed, climbing, jump, jumps, jumped, jumping,
surge, surges, surged, surging, rally, rallies, rallied, rallying, soar, soars, soared, soaring, gain, gains, gained, advance,
advances, advanced, strengthen, strengthens, strengthened, firm, firms, firmed, spike, spikes, spiked, leap, leaps, leapt, leaped,
appreciate, appreciates, appreciated, go up, goes up, went up, move up, moves up, moved up, shoot up, shoots up, shot up, shoot higher,
shoots higher, shot higher, push higher, pushes higher, pushed higher, move higher, moves higher, moved higher, head higher,
heads higher, turn up, turns up, turned up, pick up, picks up, picked up, rebound, rebounds, rebounded, skyrocket, skyrockets,
skyrocketed, rocket, rockets, rocketed, bounce, bounces, bounced, tick up, ticks up, ticked up, edge up, edges up, edged up,
trade higher, trades higher, traded higher, swell, swells, swelled, mount, mounts, mounted, harden, hardens, hardened, accelerate,
accelerates, accelerated, race higher, races higher, raced higher, power higher, powers higher, hit a high, hits a high, spring,
springs, sprang, vault, vaults, vaulted, march higher, marches higher, marched higher, up sharply, sharply higher, take off, takes off,
took off, balloon, balloons, ballooned, escalate, escalates, escalated, up strongly, up steeply, ends higher, ended higher,
closes higher, closed higher, sent higher, is higher, are higher, is up, are up, was up, were up, driven higher, driven up, pushed up,
bid up, bid higher, gaps higher, gapped higher, gaps up, gapped up, on the rise, lurches higher, lurched higher, bolts higher,
bolted higher, takes flight, took flight, catches fire, caught fire, roars, roared, thunders higher, perks up, perked up, forges ahead,
forged ahead, hits new high, hit new high, reaches a high, reached a high, zooms, zoomed, storms higher, stormed higher, swings higher,
swung higher, bursts higher, burst higher, hits multi-month high, rises sharply, come up sharply, at a high, at a record,
at record high, at a record high, at a multi-year high, at multi-year high, hit a record, hits a record, hit record high,
hits record high, mounting"""
FALL_VERB = """fall, falls, fell, fallen, falling, decrease, decreases, decreased, decline, declines, declined, declining, drop, drops, dropped,
dropping, slump, slumps, slumped, slumping, slide, slides, slid, sliding, tumble, tumbles, tumbled, tumbling, ease, eases, eased,
easing, sink, sinks, sank, plunge, plunges, plunged, plunging, plummet, plummets, plummeted, weaken, weakens, weakened, soften,
softens, softened, retreat, retreats, retreated, dip, dips, dipped, depreciate, depreciates, depreciated, lose ground, loses ground,
lost ground, go down, goes down, went down, move down, moves down, moved down, crash, crashes, crashed, collapse, collapses, collapsed,
push lower, pushes lower, pushed lower, move lower, moves lower, moved lower, head lower, heads lower, turn down, turns down,
turned down, drift lower, drifts lower, drifted lower, tick down, ticks down, ticked down, edge down, edges down, edged down,
trade lower, trades lower, traded lower, shrink, shrinks, shrank, dive, dives, dived, dove, sag, sags, sagged, skid, skids, skidded,
recede, recedes, receded, slip, slips, slipped, cool, cools, cooled, hit a low, hits a low, nosedive, nosedives, nosedived, crumble,
crumbles, crumbled, buckle, buckles, buckled, sharply lower, down sharply, tank, tanks, tanked, deflate, deflates, deflated,
give up ground, gave up ground, abate, abates, abated, wilt, wilts, wilted, down strongly, down steeply, ends lower, ended lower,
closes lower, closed lower, sent lower, is lower, are lower, is down, are down, was down, were down, driven lower, driven down,
pushed down, gaps lower, gapped lower, gaps down, gapped down, on the slide, lurches lower, lurched lower, caves in, caved in, swoons,
swooned, withers, withered, wobbles, wobbled, gives way, gave way, hits new low, hit new low, reaches a low, reached a low, craters,
cratered, swings lower, swung lower, spirals lower, spiralled lower, backs off, backed off, falters, faltered, melts, melted,
tails off, tailed off, comes off, came off, evaporates, evaporated, under heavy pressure, come down, comes down, came down,
coming down, at a low, at a record low, at a multi-year low, at multi-year low, hit a record low, hits a record low"""

HELP = """improve, improves, improved, improving, support, supports, supported, supporting, lift, lifts, lifted, lifting, benefit, benefits,
benefited, benefitted, benefiting, beneficial, help, helps, helped, helping, helpful, boost, boosts, boosted, boosting, favour,
favours, favor, favors, favourable, favorable, favourably, favorably, aid, aids, enhance, enhances, enhanced, bolster, bolsters,
bolstered, add to, adds to, added to, widen, widens, widened, strengthen, strengthens, strengthened, expand, expands, expanded, fatten,
fattens, raise, raises, raised, increase, increases, increased, grow, grows, good for, positive for, positive, positively, tailwind,
tailwinds, profit from, profits from, gain from, gains from, gained from, work in our favour, works in our favour, advantage,
advantageous, uplift, better, contribute positively, accretive, buoy, buoys, buoyed, underpin, underpins, underpinned, flatter,
flatters, welcome, directly proportional, move in the same direction, moves in the same direction, moves in step, rise with,
rises with, higher, rise, rises, climb, climbs, plays into our hands, serves us well, works to our advantage, pushes up, drives up,
upside, earn more, earns more, more profitable, better off, do better, does better, stand to gain, wind in our sails, works for us,
work for us, in our favour, pads, pad, swells, swell, flows through to, accrues to, kind to, friend of, good news for, do well,
does well, fare better, fares better, to our advantage, to our benefit, sweetens, sweeten, nourishes, nourish, comfort, cushions,
cushion"""
HURT = """hurt, hurts, hurting, weigh, weighs, weighed, weighing, squeeze, squeezes, squeezed, squeezing, pressure, pressures, pressured, dent,
dents, dented, harm, harms, harmed, harmful, damage, damages, damaged, reduce, reduces, reduced, reducing, cut into, cuts into,
eat into, eats into, erode, erodes, eroded, eroding, depress, depresses, depressed, compress, compresses, compressed, narrow, narrows,
narrowed, lower, lowers, lowered, decrease, decreases, decreased, impair, impairs, impaired, burden, burdens, burdened, adverse,
adversely, negative, negatively, unfavourable, unfavorable, unfavourably, unfavorably, headwind, headwinds, bad for, drag, drags,
dragged, diminish, diminishes, diminished, worsen, worsens, worsened, weaken, weakens, weakened, shrink, shrinks, detract, detracts,
disadvantage, suffer, suffers, suffered, work against us, works against us, penalise, penalises, penalize, penalizes, strain, strains,
strained, crimp, crimps, crimped, sap, saps, pinch, pinches, pinched, trim, trims, trimmed, take a toll, takes a toll, detrimental,
inversely, inverse, opposite direction, move against, moves against, undermine, undermines, undermined, deteriorate, deteriorates,
curtail, curtails, dampen, dampens, dampened, bite into, bites into, nibble at, chip away at, fall, falls, decline, declines, drop,
drops, cost us, costs us, clip, clips, clipped, thin, thins, exposed to losses, pull down, pulls down, drive down, drives down,
downside, worse, hit, hits, shave, shaves, earn less, earns less, less profitable, worse off, do worse, does worse, stand to lose,
against us, works against, work against, burdens us, hard on, unkind to, bad news for, do badly, does badly, fare worse, fares worse,
to our disadvantage, to our detriment, chews into, chew into, gnaws at, gnaw at, bleeds, bleed, drains, drain, stings, sting, tightens,
tighten, compression, toll, penalty, threatens, threaten, handicap, handicaps, choke, chokes, nips, nip, is a cost, cost pressure"""
NEUTRAL = """no material effect, no material impact, not material, immaterial, not materially affect, not materially affected,
no significant effect, no significant impact, no effect, no impact, little effect, little impact, negligible, insignificant,
largely hedged, fully hedged, is hedged, are hedged, no meaningful effect, no meaningful impact, not have a material,
no measurable effect, no noticeable effect, no bearing, indifferent to, insensitive, not sensitive, no longer affect,
no longer affects, no longer material, does not affect, do not affect, not expected to affect, not significant, offset in full,
fully offset, no exposure, not exposed, unaffected, neutral, does not matter, passes through, fully passed on, passed on in full,
no discernible effect, does not move, do not move, washes out, broadly neutral"""

GOOD_OBJECT = """margin, margins, gross margin, operating margin, earnings, profit, profits, profitability, results, result, income, revenue, revenues,
sales, cash flows, performance, operating income, returns, bottom line, net income, gross profit, turnover, ebitda, demand, orders,
volumes, cash flow"""
COST_OBJECT = "costs, cost, expenses, expense, input costs, operating costs, cost of sales, cost of goods sold, losses, loss, outlays, expenditure, charges, debt service, interest bill"

METRIC = """revenue, revenues, sales, turnover, earnings, profit, profits, net income, operating income, eps, results, orders, bookings, income,
billings, top line, net sales, takings, receipts, earnings per share, quarter, full-year result, result, bottom line, ebitda,
deliveries, gross profit, volumes, figures, numbers, performance, proceeds"""
ABOVE = """above, ahead of, exceeded, exceeds, exceed, exceeding, in excess of, beat, beats, beating, topped, tops, topping, surpassed, surpasses,
surpassing, better than, outperformed, outperforms, outpaced, outpaces, higher than, over, stronger than, overshot, bettered,
outstripped, outstrips, greater than, eclipsed, came in over, more than, past, cleared, outran, north of"""
BELOW = """below, short of, missed, misses, missing, behind, under, undershot, undershoots, trailed, trails, trailing, lagged, lags, lagging,
worse than, lower than, weaker than, underperformed, less than, beneath, fell short, falls short, failed to meet, failed to reach,
did not meet, did not reach, did not achieve, disappointed against, shy of, underran, south of, poorer than, smaller than,
failing to meet"""
IN_LINE = """in line with, matched, matches, matching, met, meets, meeting, on plan, on budget, on target, as planned, as expected, as budgeted,
consistent with, equal to, equalled, close to, broadly at, at plan, as forecast, in keeping with, tallied with, on a par with"""
BENCHMARK = """plan, plans, budget, budgets, guidance, expectation, expectations, forecast, forecasts, consensus, estimate, estimates, target,
targets, projection, projections, internal plan, outlook, goal, goals, the street, wall street, what was planned, planned, budgeted,
expected, anticipated, forecasted, predictions, hoped, the planned level, management had planned, analysts' estimates, objective,
objectives, prediction, schedule, our own"""
EARLIER = """prior year, prior-year, last year, previous year, previous quarter, prior quarter, last quarter, a year ago, a year earlier, year-ago,
same period, comparable period, corresponding period, the quarter before, preceding quarter, preceding year, two years ago,
historically, in the past, earlier periods, earlier years, prior periods, previously, used to, formerly, unlike, until recently,
once upon a time, no longer"""

GENERIC_FACTOR = """price, prices, pricing, cost, costs, rate, rates, index, level, levels, market, markets, the, a, an, our, its, their, global, world,
domestic, average, spot, benchmark, futures, future, quote, quotes, quotation, quotations, general, key, main, underlying, prevailing,
international, national, local, worldwide, overall, value, values, tariff, contract, contracts, of, for, in, on, to, and, or, any,
such, further, significant, sharp, sustained, material, paid, we, pay, us, u, s, sudden, broad, renewed, ten, per, cent, percent, one,
point, percentage, basis, points, lasting, marked, large, steep, gradual, moderate, modest, today, now, again, this, week, month, some,
all, that, these, those, which, from, by, with, new, fresh, year, multi, high, low, costly, charges, fees, bill, bills, exchange,
commodity, commodities, raw, materials, supply, supplies, demand, unit, being, more, most, strongly, sharply"""
FACTOR_SYNONYMS = {
    "crude": "oil", "brent": "oil", "petroleum": "oil", "wti": "oil", "greenback": "dollar", "usd": "dollar", "borrowing": "interest", "yield": "interest",
    "shipping": "freight", "container": "freight", "shipment": "freight", "haulage": "freight", "labour": "wage", "labor": "wage", "salary": "wage",
    "pay": "wage", "power": "electricity", "timber": "lumber", "microchip": "chip", "semiconductor": "chip", "diesel": "fuel", "gasoline": "fuel",
    "petrol": "fuel", "kerosene": "fuel", "maize": "corn", "bullion": "gold", "eur": "euro", "jpy": "yen", "aluminum": "aluminium",
}  # fmt: skip

HEADLINES_GOOD = """raises guidance, raised guidance, raises outlook, raised outlook, raises forecast, raised forecast, lifts guidance, lifts outlook,
boosts outlook, lifts forecast, boosts forecast, boosts guidance, upgraded to, upgrades, upgraded by, upgraded, wins approval,
wins contract, wins order, wins deal, wins lawsuit, approved by, approval from, fda approval, record revenue, record profit,
record earnings, record sales, record quarter, buyback, share repurchase, repurchase program, raises dividend, raised dividend,
increases dividend, dividend increase, hikes dividend, beats estimates, beats expectations, tops estimates, tops expectations,
earnings beat, price target raised, raises price target, outperform rating, strong results, special dividend, initiated at buy"""
HEADLINES_BAD = """cuts guidance, cut guidance, lowers guidance, lowered guidance, cuts outlook, lowers outlook, cuts forecast, slashes forecast,
slashes outlook, withdraws guidance, profit warning, warns on profit, downgraded to, downgrades, downgraded by, downgraded, recall,
recalls, recalled, probe, investigation, investigated, subpoena, lawsuit, sued, sues, fined, fraud, data breach, cyberattack,
bankruptcy, layoffs, job cuts, resigns, steps down abruptly, antitrust, cuts dividend, suspends dividend, misses estimates,
misses expectations, earnings miss, price target cut, cuts price target, strike, walkout, plant fire, outage, grounded, default,
delisting, restatement, restates, sanctions, guidance cut, weak results, rejected by"""

MEASURING = """raise, raises, raised, increase, increases, increased, grow, grows, lift, lifts, lifted, higher, rise, rises, push, pushes, drive,
drives, boost, boosts, add, adds, added, reduce, reduces, reduced, reducing, lower, lowers, lowered, decrease, decreases, decreased,
cut, cuts, trim, trims, trimmed, narrow, shrink, shrinks, fall, falls, drop, drops, diminish, diminishes, decline, declines, climb,
climbs, expand, expands, expanded, widen, widens"""
NOT_FACTORS = """share, stock, index, equity, bourse, company, revenue, sale, earning, profit, margin, analyst, investor, trader, result, dividend,
volume"""

CARDINALS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
    "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
STATE_UP = """is higher, are higher, is high, are high, is strong, are strong, is expensive, are expensive, is dear, are dear, gets dearer, get dearer, becomes dearer,
become dearer, turns dearer, becomes more expensive, become more expensive, gets more expensive, get more expensive, is rising, are rising, is up, are up, costs more, cost more"""
STATE_DOWN = """is lower, are lower, is low, are low, is weak, are weak, is cheap, are cheap, gets cheaper, get cheaper, becomes cheaper, become cheaper, turns cheaper,
is falling, are falling, is down, are down, costs less, cost less"""
IDIOMS = """ahead of the open, ahead of the opening, ahead of the session, ahead of the bell, ahead of the market, ahead of results, ahead of the results,
ahead of the report, ahead of the release, ahead of the decision, ahead of the close, ahead of the weekend, ahead of the next session, ahead of today's session,
ahead of tomorrow's session, ahead of trading, behind closed doors, behind the scenes, below the radar, under the radar, above board, strongly denied,
better known, good deal of, at best, at worst, good morning, good afternoon, good evening, for good, no doubt, good old"""

OUTCOME = """outcome, outcomes, result, results, decision, decisions, decide, decides, ruling, rule on, verdict, readout, approval, award, answer, vote,
judgment, judgement, clearance, go-ahead"""
REVIEW = """follow-up, followup, following up, in hindsight, with hindsight, after the fact, scorecard, postscript, review of notes,
review of market notes, review of the notes, review of earlier notes, review of market talk, review of rumours, review of tips, notes reviewed,
looking at the record, on the record so far, score card, checking back, checked against events, checked against the facts, fact check, fact-check,
what became of, note check, rumour check, tip check, checking the notes, checking last week's notes, held against events, judged by events, after the event,
notes under review, market notes, pre-session notes, marks for, keeping score, score sheet, tally of notes, audit of notes, settled up"""

MARKET_FACTORS = """oil, crude, brent, petroleum, gas, lng, naphtha, gasoline, petrol, diesel, kerosene, fuel, coal, uranium, electricity, power, energy, carbon,
emission, gold, silver, platinum, palladium, rhodium, copper, aluminium, zinc, tin, nickel, lead, cobalt, lithium, manganese,
iron, steel, scrap, graphite, titanium, tungsten, chromium, molybdenum, vanadium, silicon, polysilicon, neodymium, helium, phosphate, potash,
fertiliser, fertilizer, urea, ammonia, sulphur, sulfur, salt, sand, cement, concrete, bitumen, asphalt, lumber, wood, pulp, paper, cardboard, resin, plastic,
plastics, polymer, polyethylene, polypropylene, ethylene, propylene, methanol, rubber, glass, leather, wool, cotton, silk, linen, wheat, corn, rice, oats,
barley, rye, soy, soya, soybean, rapeseed, canola, sunflower, sugar, cocoa, coffee, tea, milk, butter, cheese, dairy, egg, beef, pork, cattle, hog,
poultry, chicken, fish, salmon, grain, feed, juice, tobacco, hops, malt, potato, water, chip, memory, dram, nand, wafer,
freight, shipping, postage, charter, dollar, euro, yen, pound, sterling, franc, yuan, renminbi, peso, rupee, krona, krone, lira, rand, ruble, rouble,
zloty, currency, currencies, forex, interest, treasury, mortgage, libor, sofr, euribor, swap, spread, wage, labour, labor, inflation,
duty, commodity, commodities, metal, rent, housing, bitcoin"""
FACTOR_SIDE_WORDS = """natural, crude, hard, soft, red, white, green, short-term, long-term, short, long, term, us, american, european, japanese, chinese, british, swiss,
canadian, mexican, brazilian, indian, australian, korean, foreign, industrial, wholesale, retail, hourly, ocean, sea, air, road, rail, truck, container, thermal,
coking, ore, grade, refined, recycled, battery, jet, heating, base, precious, bank, prime, policy, lending, borrowing, vegetable, orange, palm, rare, earth,
import, customs, duty, credit, spread, exchange, consumer, day, weak, strong, free, allowance, permit, emission, year"""
NOTE_BACKED = "support, supports, supported, back, backs, backed, bear out, bears out, bore out, confirms, vindicate, vindicates, back up, backs up, agree with, agrees with"
NOTE_DENIED = """contradict, contradicts, contradicted, refute, refutes, refuted, disprove, disproves, disproved, belie, belies, belied, undercut, undercuts, sink,
sinks, sank, rebut, rebuts, rebutted, give the lie to, gives the lie to, gave the lie to, discredit, discredits, discredited, debunk, debunks, debunked"""
