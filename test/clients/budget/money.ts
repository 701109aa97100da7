import { expect } from "vitest";
import type { BudgetState, RequestRecord } from "../../../src/shared/ledger/messages.ts";
import { poolOf, catalogOf } from "../helpers/catalog-of.ts";
import { until } from "../helpers/until.ts";
import type { ProfileNumbers } from "../../simulator/profile.ts";

export const MODEL = "m";

/** 5 ms a token whatever the load, so that requests overlap and a test is short. */
export const QUICK: ProfileNumbers = {
	prefillTokensPerSecond: 1_000_000,
	stepSeconds: 0.005,
	secondsPerSequence: 0,
	secondsPerContextToken: 0,
	maxRunning: 4_096,
};

/** One replica that takes everything at once, priced by the output token only: a request that says `max_tokens` and
 *  `ignore_eos` costs what is reserved for it, less the nano-dollar that rounding may take. */
export const OUTPUT_PRICED = {
	replicas: [{ name: "p/a", model: MODEL, profile: QUICK, recordRequests: 2_000 }],
	catalog: (urls: ReadonlyMap<string, string>) =>
		catalogOf([
			poolOf("p", MODEL, [...urls.values()], {
				price: { per: "million_tokens", input: 0, output: 1_000 },
				max_concurrency: 2_000,
			}),
		]),
} as const;

/** Of a token at `OUTPUT_PRICED`. */
export const TOKEN_NANO = 1_000_000;

export interface Usage {
	readonly data: readonly {
		readonly key: string;
		readonly model: string;
		readonly requests: number;
		readonly cost_usd: number;
		readonly unconfirmed_usd: number;
	}[];
	readonly budget: BudgetState;
}

export async function usageOf(url: string, key: string): Promise<Usage> {
	const response = await fetch(`${url}/v1/usage`, { headers: { authorization: `Bearer ${key}` } });
	if (!response.ok) throw new Error(`usage: ${response.status} ${await response.text()}`);
	const usage: Usage = JSON.parse(await response.text());
	return { ...usage, data: usage.data.filter((row) => row.key === usage.budget.key) };
}

/** The usage of a key of which nothing is in flight, once no lease holds anything any more. */
export function settledUsage(url: string, key: string, seconds = 10): Promise<Usage> {
	return until(
		"no lease to hold anything",
		async () => {
			const usage = await usageOf(url, key);
			const { nano, requests, tokens, slots } = usage.budget.outstanding;
			return nano + requests + tokens + slots === 0 && usage;
		},
		seconds,
	);
}

/** Nano-dollars of an amount that an answer gives in dollars. */
export function nano(usd: number): number {
	return Math.round(usd * 1e9);
}

export function sumOf<T>(rows: readonly T[], value: (row: T) => number): number {
	return rows.reduce((sum, row) => sum + value(row), 0);
}

/** What usage adds up to; each row was divided by a billion on its way here, so it is rounded back first. */
export function costOf(usage: Usage): number {
	return sumOf(usage.data, (row) => nano(row.cost_usd));
}

export async function recordOf(url: string, key: string, id: string): Promise<RequestRecord | null> {
	const response = await fetch(`${url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${key}` } });
	if (response.status === 404) return null;
	expect(response.status).toBe(200);
	const record: RequestRecord = JSON.parse(await response.text());
	return record;
}

/** The records of requests that must all be there. */
export async function recordsOf(url: string, key: string, ids: readonly (string | null)[]): Promise<RequestRecord[]> {
	const found = await Promise.all(ids.map((id) => recordOf(url, key, id ?? "")));
	const records = found.filter((record) => record !== null);
	expect(records).toHaveLength(ids.length);
	return records;
}

/** Looks at a key's budget again and again while `work` goes on; the most that was ever committed: spent and held by leases
 *  at one moment. `looks` says how often it was looked at. */
export async function watchBudget<T>(url: string, key: string, work: Promise<T>) {
	let most = { nano: 0, slots: 0 };
	let looks = 0;
	const state = { done: false };
	const watching = (async () => {
		while (!state.done) {
			const { spent, outstanding } = (await usageOf(url, key)).budget;
			most = {
				nano: Math.max(most.nano, spent.total + outstanding.nano),
				slots: Math.max(most.slots, outstanding.slots),
			};
			looks++;
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	})();
	try {
		return { result: await work, most: () => most, looks: () => looks };
	} finally {
		state.done = true;
		await watching;
	}
}
