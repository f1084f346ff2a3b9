-- The report's main table in Athena, of every campaign that was published with `poolbench sync ... --parquet`.
-- After each new campaign, once: MSCK REPAIR TABLE requests;

WITH first_after_gap AS (
  SELECT
    campaign, label, gap_ratio, connects, wire_commands,
    outcome IN ('error', 'hang') AS lost,
    CASE WHEN outcome NOT IN ('error', 'hang') THEN latency_s END AS answered_s
  FROM requests
  WHERE counted AND role = 'measure' AND state = 'first_after_gap'
),
ranked AS (  -- a percentile is a value that was observed, and never trimmed
  SELECT
    *,
    row_number() OVER (PARTITION BY campaign, label, gap_ratio ORDER BY answered_s NULLS LAST) AS place,
    count(answered_s) OVER (PARTITION BY campaign, label, gap_ratio) AS answered
  FROM first_after_gap
),
counted AS (
  SELECT
    campaign, label, gap_ratio,
    count(*) AS n,
    count_if(lost) AS lost,
    CAST(count_if(lost) AS DOUBLE) / count(*) AS rate,
    max(CASE WHEN place = ceil(0.50 * answered) THEN answered_s END) * 1000 AS median_ms,
    max(CASE WHEN place = ceil(0.95 * answered) THEN answered_s END) * 1000 AS p95_ms,
    max(answered_s) * 1000 AS max_ms,
    avg(CAST(connects AS DOUBLE)) AS connects,
    avg(CAST(wire_commands AS DOUBLE)) AS commands
  FROM ranked
  GROUP BY campaign, label, gap_ratio
)
SELECT  -- low and high: Wilson's 95 % interval of the share of requests that were lost
  campaign, label, gap_ratio, n, lost,
  (rate + 1.9208 / n - 1.95996 * sqrt(rate * (1 - rate) / n + 0.9604 / n / n)) / (1 + 3.8415 / n) AS low,
  (rate + 1.9208 / n + 1.95996 * sqrt(rate * (1 - rate) / n + 0.9604 / n / n)) / (1 + 3.8415 / n) AS high,
  median_ms, p95_ms, max_ms, connects, commands
FROM counted
ORDER BY campaign, label, gap_ratio;
