import type { Findings } from "./checks.ts";
import { callUrlProblem, isOpenHttp } from "./replica-url.ts";
import { SCALE_TO_ZERO } from "./scale-to-zero.ts";
import type { Pool } from "./schema.ts";

/** What a pool says of its scaling to zero, against its kind and its price. */
export function checkScaleToZero(pool: Pool, path: string, ownHosts: ReadonlySet<string>, found: Findings): void {
	const zero = pool.scale_to_zero;
	if (!zero) return;
	const secret = zero.secret ?? pool.secret;
	for (const field of ["status_url", "wake_url", "settings_url"] as const) {
		const url = zero[field];
		if (url === undefined) continue;
		const problem = callUrlProblem(url, ownHosts);
		if (problem !== null) found.problems.push({ path: `${path}.${field}`, message: problem });
		else if (secret !== undefined && isOpenHttp(url)) {
			found.warnings.push({ path: `${path}.${field}`, message: `sends the secret ${secret} unencrypted (http)` });
		}
	}
	const { status } = SCALE_TO_ZERO[zero.kind];
	if (zero.status_url !== undefined && status === "none") {
		const message = `a pool of the kind ${zero.kind} has no status that can be read without waking it`;
		found.problems.push({ path: `${path}.status_url`, message });
	}
	if (zero.sleep_level !== undefined && zero.kind !== "vllm_sleep") {
		found.problems.push({ path: `${path}.sleep_level`, message: `only the kind vllm_sleep has levels of sleep` });
	}
	if (zero.settings_url !== undefined && SCALE_TO_ZERO[zero.kind].idleTimeout === null) {
		const message = `a pool of the kind ${zero.kind} takes no idle time-out over HTTP`;
		found.problems.push({ path: `${path}.settings_url`, message });
	}
	if (zero.settings_url !== undefined && pool.replicas.length > 1) {
		const message = `it is the setting of one endpoint: a pool of ${pool.replicas.length} replicas cannot be let go as one`;
		found.problems.push({ path: `${path}.settings_url`, message });
	}
	if (zero.settings_url !== undefined && (!zero.let_go || !zero.sole_tenant || !hasIdlePrice(pool))) {
		const why = !hasIdlePrice(pool)
			? "an idle second costs nothing (idle_usd_per_hour)"
			: zero.let_go
				? "others use the pool too (sole_tenant)"
				: "let_go is off";
		found.warnings.push({ path: `${path}.settings_url`, message: `it is never used: ${why}` });
	}
	if (zero.status_url === undefined && status === "named") {
		const message = `without it the state of a pool of the kind ${zero.kind} is known from its answers only`;
		found.warnings.push({ path: `${path}.status_url`, message });
	}
}

function hasIdlePrice({ price, scale_to_zero: zero }: Pool): boolean {
	return (zero?.idle_usd_per_hour ?? (price.per === "gpu_second" ? price.usd : 0)) > 0;
}
