"""The campaign file that a new user starts from."""

EXAMPLE = """\
# One campaign. Check it with: swarm validate FILE
# Amounts are decimals in the campaign's currency, shares are decimals as well (0.10 is ten per cent).
apiVersion: swarm.ads/v1
kind: Campaign

metadata:
  name: spring-trail-shoes        # lower case, digits, - and _; unique among the campaigns of a run
  owner: growth-team
  labels: {region: us}            # optional: any names and texts

currency: USD                     # the currency of every amount in this file
time_zone: America/New_York       # a day of this campaign begins and ends here

# OUTCOME_SALES, OUTCOME_LEADS or OUTCOME_TRAFFIC
objective: OUTCOME_SALES

schedule:
  start: 2026-03-02
  end: 2026-03-31                 # the last day; optional for a DAILY budget

platforms: [google_ads, meta, tiktok, linkedin]   # optional: all four if left out

budget:
  period: DAILY                   # DAILY, or LIFETIME for the whole schedule
  amount: "200.00"                # over all platforms together
  min_amount: "50.00"             # the runtime keeps the budget between these two
  max_amount: "400.00"

# Limits that no change by the runtime may put at risk.
caps:
  daily_exposure: "520.00"        # most that a day may cost; a platform may spend up to twice a daily budget
  daily_nominal: "400.00"         # optional: most that the budgets in force may add up to
  monthly: "14000.00"             # optional
  lifetime: "14000.00"            # optional

bidding:
  # MAXIMIZE_CONVERSIONS, MAXIMIZE_CONVERSION_VALUE, MAXIMIZE_CLICKS,
  # TARGET_CPA (with target_cpa, an amount) or TARGET_ROAS (with target_roas, such as "3.5")
  strategy: TARGET_CPA
  target_cpa: "25.00"
  bid_min: "0.20"                 # bounds of the bid for one click
  bid_max: "6.00"

conversion_goals:                 # the first one is the primary goal
  - id: purchase
    event: PURCHASE
    value: "60.00"                # optional: the worth of one conversion
    window_days: 7                # optional: days after a click that a conversion counts

audiences:                        # optional
  - id: trail-runners
    kind: interest                # interest, lookalike, remarketing or demographic
    description: People who read about trail running

creatives:                        # 1 to 16
  - id: light
    headline: Half the weight, all the grip
    primary_text: A trail shoe for the steep days. Free returns for 60 days.
    genome: {hook: proof, promise: quality, frame: gain}   # what it is made of, in your own words
  - id: spring-price
    headline: Trail shoes, spring price
    primary_text: Twenty off every pair until the end of March.
    genome: {hook: price, promise: savings, frame: loss}

# Optional: how much may change at once, as shares of the value before.
guardrails:
  min_change: "0.10"              # smaller changes of a budget are not worth a write
  max_change_per_step: "0.50"
  max_change_per_day: "1.00"
  max_bid_change_per_step: "1.00"
  max_actions_per_run: 500        # optional: no limit if left out
  # Raises of a channel's budget that need a person's word although the mode is auto: by more than a share of the
  # value before, or to more than an amount.
  # approval_above: {increase: "0.30", amount: "300.00"}

autonomy:
  # observe only watches; propose files plans, which `swarm apply` has written; approve does the same for raises, which
  # wait for `swarm approve`, and lowers and pauses by itself; auto acts by itself
  mode: observe

# Optional: who is told what concerns this campaign. A URL is a secret: say where it is kept, env:NAME or file:/path.
# notifications: [{type: webhook, url_ref: env:SPRING_SHOES_WEBHOOK}]
"""
"""A campaign with every section, commented; it validates as it is."""
