-- Minutes and failure rate per day out of the events topic, by Apache Flink: for those whose events no longer fit one machine.
-- The result is a compacted topic with a message for each day, replaced whenever the day's numbers change.
--
-- Change three names to yours: localhost:9092, stenolog.events.v2 and analytics.days.v1, which has to exist, compacted.

SET 'execution.runtime-mode' = 'streaming';
SET 'execution.checkpointing.interval' = '10 s';
SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';
-- Many changes of a day become one message.
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '1 s';
SET 'table.exec.mini-batch.size' = '5000';

CREATE TABLE events (
    log_partition INT METADATA FROM 'partition' VIRTUAL,
    headers MAP<STRING, BYTES> METADATA VIRTUAL,
    data STRING,
    arrived_at AS PROCTIME()
) WITH (
    'connector' = 'kafka',
    'topic' = 'stenolog.events.v2',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.isolation.level' = 'read_committed',
    'properties.auto.offset.reset' = 'earliest',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'raw'
);

CREATE TABLE days (
    `day` STRING,
    minutes BIGINT,
    completed BIGINT,
    failed BIGINT,
    cancelled BIGINT,
    failure_rate DOUBLE,
    PRIMARY KEY (`day`) NOT ENFORCED
) WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'analytics.days.v1',
    'properties.bootstrap.servers' = 'localhost:9092',
    'key.format' = 'json',
    'value.format' = 'json'
);

-- What is counted; types and versions that are not named here are passed over.
CREATE TEMPORARY VIEW counted AS
SELECT log_partition, CAST(headers['seq'] AS STRING) AS seq, CAST(headers['ce_type'] AS STRING) AS type, data, arrived_at
FROM events
WHERE CAST(headers['ce_type'] AS STRING)
    IN ('QuotaDebited', 'TranscriptionCompleted', 'TranscriptionFailed', 'TranscriptionCancelled');

-- Each address once, also when the topic was lost and filled again.
CREATE TEMPORARY VIEW once AS
SELECT type, data
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY log_partition, seq ORDER BY arrived_at) AS place FROM counted
)
WHERE place = 1;

INSERT INTO days
SELECT
    `day`,
    SUM(minutes),
    SUM(completed),
    SUM(failed),
    SUM(cancelled),
    ROUND(CAST(SUM(failed) AS DOUBLE) / NULLIF(SUM(completed) + SUM(failed), 0), 4)
FROM (
    SELECT
        SUBSTRING(
            COALESCE(
                JSON_VALUE(data, '$.debited_at'), JSON_VALUE(data, '$.completed_at'), JSON_VALUE(data, '$.failed_at'),
                JSON_VALUE(data, '$.cancelled_at')
            ), 1, 10
        ) AS `day`,
        COALESCE(CAST(JSON_VALUE(data, '$.minutes') AS BIGINT), 0) AS minutes,
        CASE WHEN type = 'TranscriptionCompleted' THEN 1 ELSE 0 END AS completed,
        CASE WHEN type = 'TranscriptionFailed' THEN 1 ELSE 0 END AS failed,
        CASE WHEN type = 'TranscriptionCancelled' THEN 1 ELSE 0 END AS cancelled
    FROM once
)
GROUP BY `day`;
