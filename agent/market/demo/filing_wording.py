"""How the demo market's annual and quarterly reports are worded: tables of sentences, and the description of each business.

``<good//bad>`` and ``[is/are]`` work as in ``news_wording``. The sentences that carry information are the surprise against plan, the
list of pending programmes and, in item 7A of the annual report, what each factor does to margins; the rest is what reports are full of.
"""

from __future__ import annotations

SURPRISE = {
    1: (
        "Revenue was above our internal plan.",
        "Revenue exceeded the plan we had set for the period.",
        "Sales came in ahead of plan.",
        "Compared with our plan, revenue was higher than expected.",
        "We beat our internal revenue plan.",
        "Revenue was better than planned.",
        "The period ended with revenue above plan.",
        "Revenue surpassed our budget for the period.",
        "Our revenue plan was exceeded.",
        "Revenue finished ahead of the internal plan.",
        "Revenue was stronger than our plan had assumed.",
        "Revenue outperformed the internal budget.",
    ),
    0: (
        "Revenue was in line with our internal plan.",
        "Revenue met the plan we had set for the period.",
        "Sales matched our plan.",
        "Compared with our plan, revenue was as expected.",
        "We met our internal revenue plan.",
        "Revenue was as planned.",
        "The period ended with revenue on plan.",
        "Revenue equalled our budget for the period.",
        "Our revenue plan was met.",
        "Revenue finished in line with the internal plan.",
        "Revenue was what our plan had assumed.",
        "Revenue corresponded to the internal budget.",
    ),
    -1: (
        "Revenue was below our internal plan.",
        "Revenue fell short of the plan we had set for the period.",
        "Sales came in behind plan.",
        "Compared with our plan, revenue was lower than expected.",
        "We missed our internal revenue plan.",
        "Revenue was worse than planned.",
        "The period ended with revenue below plan.",
        "Revenue missed our budget for the period.",
        "Our revenue plan was not reached; we fell short.",
        "Revenue finished behind the internal plan.",
        "Revenue was weaker than our plan had assumed.",
        "Revenue underperformed the internal budget.",
    ),
}

FIGURES = (
    "Revenue was ${revenue:,.1f} million and diluted earnings per share were ${eps:.2f}.",
    "We recorded revenue of ${revenue:,.1f} million; diluted earnings per share were ${eps:.2f}.",
    "For the period we report revenue of ${revenue:,.1f} million and diluted earnings of ${eps:.2f} per share.",
    "Total revenue amounted to ${revenue:,.1f} million. Diluted earnings per share came to ${eps:.2f}.",
    "Net sales were ${revenue:,.1f} million, and earnings were ${eps:.2f} per diluted share.",
    "Revenue for the period totalled ${revenue:,.1f} million, with diluted earnings per share of ${eps:.2f}.",
)

PENDING_INTROS = (
    "Programmes awaiting an outcome:",
    "The following programmes are pending:",
    "Projects whose outcome is still due:",
    "At the date of this report these programmes await a result:",
    "Pending programmes are:",
    "We currently await the outcome of:",
)
PENDING_ENTRIES = (
    "{code} (outlook <favourable//unfavourable>, due in about {n} trading sessions)",
    "{code}, outlook <good//poor>, outcome due in about {n} sessions",
    "{code} with <a positive//a negative> outlook, due in roughly {n} trading sessions",
    "{code} (<promising//disappointing> so far, result expected in about {n} sessions)",
    "{code}, where we are <optimistic//pessimistic>, due in about {n} trading days",
    "{code} (early readings <strong//weak>, due in about {n} sessions)",
)
NOTHING_PENDING = (
    "No programme is awaiting an outcome at the date of this report.",
    "There are no pending programmes at this time.",
    "At the date of this report no outcome is due.",
    "None of our programmes awaits a result at present.",
)

EXPOSED = (
    "{rise} <improves//hurts> our margins.",
    "{rise} <supports//weighs on> margins.",
    "{rise} <lifts//squeezes> our margins.",
    "{higher} <help[s/]//hurt[s/]> our margins.",
    "{higher} <lift[s/]//reduce[s/]> margins.",
    "{higher} <support[s/]//squeeze[s/]> margins.",
    "{rise} <increases//reduces> our earnings.",
    "{rise} has <a favourable//an unfavourable> effect on margins.",
    "{rise} is <positive//negative> for our results.",
    "Our margins <benefit//suffer> from {rise}.",
    "We <benefit//suffer> from {rise}.",
    "{rise} <strengthens//weakens> our results.",
    "{rise} <boosts//depresses> our margins.",
    "{higher} <raise[s/]//lower[s/]> our margins.",
    "{rise} <helps//harms> our earnings.",
    "Our profits <grow//decline> with {higher}.",
    "{higher} <benefit[s/]//burden[s/]> our business.",
    "{rise} <increases//cuts> our profit margin.",
    "We expect {rise} to <improve//hurt> our margins.",
    "In our experience {rise} <supports//hurts> margins.",
    "{higher} <improve[s/]//erode[s/]> our margins.",
    "{rise} would <benefit//hurt> us.",
    "{rise} <widens//narrows> our margins.",
    "Margins <rise//fall> with {higher}.",
    "{rise} is <an advantage//a disadvantage> for our margins.",
    "{rise} <contributes positively//contributes negatively> to earnings.",
    "We are <positively//negatively> exposed to {rise}.",
    "{higher} [has/have] <improved//hurt> our margins in the past and we expect the same again.",
    "{rise} tends to <raise//lower> our earnings.",
    "Our results <benefit from//are hurt by> {higher}.",
)
UNEXPOSED = (
    "{rise} has no material effect on our margins.",
    "{rise} does not materially affect our results.",
    "Changes in {factor} have no material effect on us.",
    "We have no material exposure to {factor}.",
    "{higher} [has/have] no material effect on margins.",
    "Our margins do not depend on {factor} to a material degree.",
    "The effect of {factor} on our margins is not material.",
    "{rise} leaves our margins unchanged.",
    "We are not materially exposed to {factor}.",
    "No material effect arises from {factor}.",
)
FACTOR_FORMS = {  # rise, higher, plural of "higher"
    "cobalt": ("a rise in cobalt prices", "higher cobalt prices", True),
    "freight rates": ("a rise in freight rates", "higher freight rates", True),
    "power prices": ("a rise in power prices", "higher power prices", True),
    "the dollar": ("a rise in the dollar", "a stronger dollar", False),
}

MARKET_RISK_OPENINGS = (
    "We are exposed to changes in the prices of materials and services and in currencies. The following describes the effect of each factor on our margins as our business stands today.",
    "Our exposure to market factors follows from how we buy and sell. The statements below replace those of earlier annual reports.",
    "This item sets out how market prices act on our results. It describes the business as it is at the date of this report.",
    "Market prices influence our costs and our revenue. The effect of each factor, based on our present contracts, is as follows.",
)
MARKET_RISK_CLOSINGS = (
    "We do not use derivatives for speculation. Where contracts allow, prices are adjusted after a few sessions, so that effects are limited in time.",
    "Effects are felt within days and fade as contracts are adjusted. We do not hedge these exposures at present.",
    "Our treasury reviews these exposures every year and reports to the audit committee. No hedges were outstanding at year end.",
    "The size of each effect depends on the volume of business. We have not entered into hedging transactions of importance.",
)
INTEREST_SENTENCES = (
    "Our borrowings carry fixed interest, and a change of one percentage point in market rates would not have a material effect on interest expense.",
    "Cash is held in bank deposits with short terms; interest income is not a significant part of our results.",
    "Counterparty risk is limited by spreading deposits over several banks and by a limit for each of them.",
    "We do not hold equity securities for investment, and pension assets are managed by an independent trustee.",
    "Limits for the use of financial instruments are set by the board once a year and watched by a department that does not trade.",
    "Loans from banks fall due in steps over the next six years, and their terms are described in the notes to the financial statements.",
    "Purchases are made under contracts of different length, so that prices paid in a quarter are a mixture of older and newer ones.",
)

MDA_OPENINGS = (
    "The following discussion should be read together with the financial statements and the notes to them.",
    "This discussion covers the results of the period and our view of the business.",
    "The discussion below compares the period with the one before and with our plan.",
    "Management's discussion of results follows. Amounts are in millions of dollars unless stated otherwise.",
)
MDA_BOILERPLATE = (
    "Cost of sales moved with volume. Selling and administrative expenses include pay rises agreed in the previous year.",
    "Cash from operations covered capital expenditure for maintenance. The credit line of ${credit} million was not drawn at the end of the period.",
    "We invested ${capex} million in equipment and software, mostly to replace assets at the end of their useful life.",
    "The effective tax rate was {tax} percent. It reflects the mix of countries in which we operate.",
    "Working capital changed with the season, as in earlier years. Days of sales outstanding were {dso}.",
    "The preparation of the statements requires estimates, among them useful lives, the collectability of receivables and the outcome of claims. Actual amounts may differ.",
    "There were no changes in internal control over financial reporting that are likely to affect it materially.",
    "We believe that cash on hand and the credit line are sufficient for the next twelve months.",
    "New accounting standards that came into force in the period did not change how we report.",
    "Share-based pay was ${sbc} million. The number of shares changed only through the employee plan.",
    "Obligations under leases are set out in the notes; most leases run for three to seven years.",
    "Inventories are valued at the lower of cost and net realisable value and were reviewed at the end of the period.",
    "Provisions for warranties and claims were reviewed and are set out in the notes; the method of estimation has not changed.",
    "We operate as one segment, and the figures reviewed by our directors are those of the whole company.",
    "Receivables are insured up to customary limits, and no single customer owed more than a tenth of the total.",
    "Transactions with related parties were carried out on terms that would apply between strangers and are listed in the notes.",
)

RISK_OPENINGS = (
    "An investment in our shares involves risk. The factors below are those we regard as most important; the order says nothing about their weight.",
    "Our business depends on many conditions that we do not control. The following should be read together with the rest of this report.",
    "Readers should consider the following factors. Others that we do not know today may also affect us.",
)
RISKS = (
    "We depend on a limited number of suppliers, and an interruption at one of them could affect deliveries until another source is approved.",
    "Customers may postpone orders when the economy slows, and fixed costs cannot be adjusted at once.",
    "Programmes under development may be withdrawn before an outcome is known, and their outcome may differ from what early readings suggest.",
    "Our information systems may be attacked. We keep backups at separate places and test how quickly they can be restored.",
    "Laws on safety, data and the environment change, and meeting them may require expenditure that we cannot estimate today.",
    "We compete with companies that have larger resources, and some of our products may be replaced by others.",
    "Skilled staff are in demand. If we cannot hire and keep them, programmes may take longer.",
    "Claims may be brought against us in the ordinary course of business. We carry insurance with customary limits.",
    "Severe weather or the failure of a site could interrupt operations for a time.",
    "Our patents and trade marks may be challenged, and protection differs from country to country.",
    "The price of our shares may move for reasons that have nothing to do with our results, including reports by third parties that we do not verify.",
    "Goodwill is tested every year; a lower value in use would lead to a charge that does not involve cash.",
    "Our credit agreement contains conditions on debt and interest cover which we met at the end of the period.",
    "A part of our staff is covered by collective agreements, the next of which is due for renewal in two years.",
)
NO_CHANGE_IN_RISKS = (
    "There have been no material changes in the risk factors described in our last annual report. We repeat some of them here for the convenience of the reader.",
    "The risk factors in our last annual report continue to apply without material change. The most important ones are summarised below.",
    "No material changes to the risk factors of the annual report are to be reported. The following summary is provided for reference.",
)
NO_CHANGE_IN_MARKET_RISK = (
    "There have been no material changes in our market risk since the annual report, to which we refer for the effect of each factor on margins.",
    "For quantitative and qualitative disclosures about market risk see item 7A of our last annual report. Nothing material has changed since.",
    "Our exposure to market prices is described in the annual report; it did not change materially during the quarter.",
)

BUSINESS_SENTENCES = (
    "We employed {staff} people at the end of the year.",
    "Research and development expense was ${rd} million.",
    "Our ten largest customers accounted for {share} percent of revenue.",
    "We hold {patents} patents and patent applications.",
    "The business is mildly seasonal, with the fourth quarter usually the busiest.",
    "We sell through our own staff and through independent agents.",
    "Competition is based on price, quality and the time of delivery.",
    "Our head office is leased until {lease}; the main sites are owned.",
    "Raw materials and services are bought from several suppliers in each category wherever that is possible.",
    "Reports, charters and codes of conduct can be obtained from the company without charge.",
)
PROGRAMME_SENTENCES = (
    "We announce development programmes under code names together with the date on which their outcome is due; some are withdrawn before that date.",
    "New products are developed in programmes with code names. We say at the start when the outcome is due and repeat pending programmes in each report.",
    "Each programme carries a code name and a due date. What we expect of it is stated when it is announced, and programmes that no longer fit are withdrawn.",
)
