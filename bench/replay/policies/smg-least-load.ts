import { argmin, type Policy } from "./policy.ts";

interface Settings {
	/** Seconds that a half-full KV memory counts as. */
	readonly kvSeconds: number;
}

/** SMG's `least_load`: `(queued tokens + in-flight tokens) / throughput + 0.15 k / (1 - k)`, k the share of KV memory in use.
 *  It knows the true rate of every replica here, and does not look at prefixes; a request's own prompt counts too. */
export const smgLeastLoad: Policy<Settings> = {
	id: "smg_least_load",
	title: "SMG least_load, true rates",
	settings: [{ kvSeconds: 0.15 }, { kvSeconds: 0 }, { kvSeconds: 1 }],
	create:
		() =>
		(request, views, { kvSeconds }) =>
			argmin(views, ({ pendingTokens, kvUsage, prefillTokensPerSecond }) => {
				const k = Math.min(kvUsage, 0.99);
				return (pendingTokens + request.input) / prefillTokensPerSecond + (kvSeconds * k) / (1 - k);
			}),
};
