import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminClient } from "../../scripts/admin-client.ts";
import { startIsobar, type LocalIsobar } from "../../scripts/local.ts";
import type { RequestRecord } from "../../src/shared/ledger/messages.ts";
import { startSimulator } from "../simulator/simulator.ts";
import { QUICK, settledUsage, TOKEN_NANO } from "../clients/budget/money.ts";
import { catalogOf, poolOf } from "../clients/helpers/catalog-of.ts";
import { until } from "../clients/helpers/until.ts";

const MODEL = "m";
const REQUESTS = 200;
const PLACES = 60;
const BUDGET_NANO = 20_000 * TOKEN_NANO;
const ADMIN_TOKEN = "crash";
/** Short, so that what was lost ends while the test looks on. */
const SETTINGS = {
	leaseSeconds: 2,
	leaseIdleSeconds: 0.4,
	renewSeconds: 0.6,
	reservationSeconds: 2,
	flushSeconds: 0.02,
	logRequests: false,
};

/** What one run has seen. */
export interface CrashReport {
	readonly seed: number;
	/** workerd was killed when so many answers had come whole. */
	readonly killedAt: number;
	/** Answers that clients had whole in the end, and records that the ledger had acknowledged before the kill. */
	readonly answered: number;
	readonly acknowledged: number;
	readonly spentNano: number;
	readonly unconfirmedNano: number;
}

/** 200 requests, streamed and plain, against two replicas with 60 places; workerd is killed (SIGKILL) among them and started again
 *  on the same state. Throws when anything that the ledger acknowledged is gone or different, when money is lost, overspent
 *  or never accounted for, or when places of the fleet do not come back. */
export async function crashRun(seed: number): Promise<CrashReport> {
	const random = mulberry32(seed);
	const persist = await mkdtemp(join(tmpdir(), "isobar-crash-"));
	const simulator = await startSimulator({
		seed,
		replicas: ["p/a", "p/b"].map((name) => ({ name, model: MODEL, profile: QUICK, recordRequests: 0 })),
	});
	const options = { persist, secrets: { ADMIN_TOKEN }, settings: SETTINGS, onLog: () => {} };
	let isobar = await startIsobar(options);
	try {
		const key = await setUp(
			isobar,
			simulator.replicas.map(({ url }) => url),
		);
		const killedAt = Math.floor(random() * 150);
		const before = await fireAndKill(isobar, key, killedAt, random);

		isobar = await startIsobar(options);
		for (const [id, cost] of before.acknowledged) {
			const record = await recordOf(isobar.url, key, id);
			if (record?.cost_nano_usd !== cost)
				throw new Error(
					`seed ${seed}: record ${id} cost ${cost}, after the kill ${record?.cost_nano_usd ?? "it is gone"}`,
				);
		}
		const usage = await settledUsage(isobar.url, key, SETTINGS.leaseSeconds + 8);
		const spentNano = usage.budget.spent.total;
		const rows = usage.data.reduce((sum, row) => sum + Math.round(row.cost_usd * 1e9), 0);
		const unconfirmedNano = usage.data.reduce((sum, row) => sum + Math.round(row.unconfirmed_usd * 1e9), 0);
		check(seed, spentNano === rows, `spent ${spentNano} but the usage says ${rows}`);
		check(seed, spentNano <= BUDGET_NANO, `spent ${spentNano} of ${BUDGET_NANO}`);
		check(seed, spentNano >= before.answeredNano, `spent ${spentNano}, answered for ${before.answeredNano}`);
		await everyPlaceIsFree(isobar.url, key, seed);
		return {
			seed,
			killedAt,
			answered: before.answered,
			acknowledged: before.acknowledged.size,
			spentNano,
			unconfirmedNano,
		};
	} finally {
		await isobar.stop().catch(() => {});
		await simulator.close();
		await rm(persist, { recursive: true, force: true });
	}
}

async function setUp(isobar: LocalIsobar, urls: readonly string[]): Promise<string> {
	const admin = new AdminClient(isobar.url, ADMIN_TOKEN);
	const price = { per: "million_tokens", input: 0, output: 1_000 } as const;
	await admin.putCatalog(catalogOf([poolOf("p", MODEL, urls, { price, max_concurrency: PLACES / 2 })]));
	const { key } = await admin.createKey({ tenant: "crash", budget: { total_usd: BUDGET_NANO / 1e9 } });
	return key;
}

interface Before {
	readonly acknowledged: ReadonlyMap<string, number>;
	readonly answered: number;
	readonly answeredNano: number;
}

async function fireAndKill(isobar: LocalIsobar, key: string, killedAt: number, random: () => number): Promise<Before> {
	const acknowledged = new Map<string, number>();
	let answered = 0;
	let answeredNano = 0;
	const requests = Array.from({ length: REQUESTS }, async (_, i) => {
		const tokens = 5 + Math.floor(random() * 60);
		const id = await complete(isobar.url, key, tokens, i % 2 === 0).catch(() => null);
		if (id === null) return;
		answered++;
		answeredNano += tokens * TOKEN_NANO;
		const record = await recordOf(isobar.url, key, id).catch(() => null);
		if (record) acknowledged.set(id, record.cost_nano_usd);
	});
	await until(`${killedAt} answers`, () => answered >= killedAt, 20);
	// In the midst of what the others are at.
	await new Promise((resolve) => setTimeout(resolve, random() * 30));
	await isobar.kill();
	await Promise.all(requests);
	return { acknowledged, answered, answeredNano };
}

/** As many long requests at once as the fleet has places, none of which may wait. */
async function everyPlaceIsFree(url: string, key: string, seed: number): Promise<void> {
	const ids = await Promise.all(Array.from({ length: PLACES }, () => complete(url, key, 60, true)));
	const records = await Promise.all(ids.map((id) => recordOf(url, key, id)));
	const waited = records.filter((record) => record === null || record.waited_seconds > 0);
	check(seed, waited.length === 0, `${waited.length} of ${PLACES} places were not free`);
}

/** The request's id, once its answer has come whole. */
async function complete(url: string, key: string, tokens: number, stream: boolean): Promise<string> {
	const response = await fetch(`${url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}` },
		body: JSON.stringify({
			model: MODEL,
			messages: [{ role: "user", content: "crash" }],
			max_tokens: tokens,
			ignore_eos: true,
			stream,
		}),
	});
	const text = await response.text();
	const whole = stream ? text.trimEnd().endsWith("data: [DONE]") : text.includes('"usage"');
	if (response.status !== 200 || !whole) throw new Error(`status ${response.status}: ${text.slice(0, 300)}`);
	return response.headers.get("x-isobar-request-id") ?? "";
}

async function recordOf(url: string, key: string, id: string): Promise<RequestRecord | null> {
	const response = await fetch(`${url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${key}` } });
	const body = await response.text();
	return response.ok ? (JSON.parse(body) as RequestRecord) : null;
}

function check(seed: number, holds: boolean, otherwise: string): void {
	if (!holds) throw new Error(`seed ${seed}: ${otherwise}`);
}

/** A small seeded generator (Tommy Ettinger's mulberry32), so that a failing run can be run again. */
function mulberry32(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), state | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}
