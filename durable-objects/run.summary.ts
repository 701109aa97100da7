import type { RoundSummary } from "./run.versions.store.ts";

/** Means and extremes of what is pending in a round, for its history. */
export function roundSummary({ sql }: DurableObjectStorage, round: number): RoundSummary {
	const row = sql
		.exec<RoundSummary & Record<string, number | null>>(
			`SELECT count(*) AS updates, total(weight) AS weight, total(examples) AS examples,
			 avg(sqrt(square_norm)) AS norm_mean, max(sqrt(square_norm)) AS norm_max, min(sqrt(square_norm)) AS norm_min,
			 sum(loss * weight) / sum(CASE WHEN loss IS NOT NULL THEN weight END) AS loss
			 FROM updates WHERE round = ? AND status = 'pending'`,
			round,
		)
		.one();
	return { ...row, metrics: metricsOf(sql, round) };
}

/** Weighted means of the clients' own metrics. */
function metricsOf(sql: SqlStorage, round: number): Record<string, number> {
	const rows = sql.exec<{ name: string; value: number }>(
		`SELECT metric.key AS name, sum(metric.value * updates.weight) / sum(updates.weight) AS value
		 FROM updates, json_each(updates.metrics) AS metric WHERE updates.round = ? AND updates.status = 'pending'
		 GROUP BY metric.key ORDER BY metric.key LIMIT 64`,
		round,
	);
	return Object.fromEntries(rows.toArray().map(({ name, value }) => [name, value]));
}
