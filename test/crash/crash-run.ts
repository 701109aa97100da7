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
import { mulberry32 } from "./random.ts";

const MODEL = "m";
const REQUESTS = 200;
const PLACES = 60;
const BUDGET_NANO = 20_000 * TOKEN_NANO;
const ADMIN_TOKEN = "crash";
/** Short, so that what was lost ends while the test looks on. */
const SETTINGS = {
	leaseSeconds: 1.2,
	leaseIdleSeconds: 0.4,
	renewSeconds: 0.4,
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
		replicas: ["p/a", "p/b"].map((name) => ({ name, model: MODEL, profile: QUICK, recordRequests: 2 * REQUESTS })),
	});
	const options = { persist, secrets: { ADMIN_TOKEN }, settings: SETTINGS, onLog: () => {} };
	let isobar = await startIsobar(options);
	try {
		const { key, revoked, catalog } = await setUp(
			isobar,
			simulator.replicas.map(({ url }) => url),
		);
		const killedAt = Math.floor(random() * 150);
		const before = await fireAndKill(isobar, key, killedAt, random);
		const sent = simulator.replicas.flatMap((replica) =>
			replica.lastRequests().map(({ headers }) => String(headers["x-request-id"])),
		);

		isobar = await startIsobar(options);
		for (const [id, text] of before.acknowledged) {
			const kept = await recordOf(isobar.url, key, id);
			check(seed, kept?.text === text, `record ${id} was ${text}, after the kill ${kept?.text ?? "it is gone"}`);
		}
		const admin = new AdminClient(isobar.url, ADMIN_TOKEN);
		check(seed, JSON.stringify(await admin.catalog()) === catalog, "the catalog is another");
		check(seed, (await authenticated(isobar.url, revoked)) === 401, "a revoked key is good again");
		for (const each of before.keys) {
			check(seed, (await authenticated(isobar.url, each)) === 200, "a key that was created before the kill is gone");
		}

		const usage = await settledUsage(isobar.url, key, SETTINGS.leaseSeconds + 8);
		const spentNano = usage.budget.spent.total;
		const rows = usage.data.reduce((sum, row) => sum + Math.round(row.cost_usd * 1e9), 0);
		const unconfirmedNano = usage.data.reduce((sum, row) => sum + Math.round(row.unconfirmed_usd * 1e9), 0);
		// Every request that a pool has seen, whether its client has heard of it or not.
		const records = await Promise.all(sent.map((id) => recordOf(isobar.url, key, id)));
		const recorded = records.reduce((sum, found) => sum + (found?.record.cost_nano_usd ?? 0), 0);
		check(seed, spentNano === rows, `spent ${spentNano} but the usage says ${rows}`);
		check(seed, rows === recorded + unconfirmedNano, `usage ${rows}, records ${recorded} + ${unconfirmedNano}`);
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

interface SetUp {
	readonly key: string;
	readonly revoked: string;
	/** The document as it is read back. */
	readonly catalog: string;
}

async function setUp(isobar: LocalIsobar, urls: readonly string[]): Promise<SetUp> {
	const admin = new AdminClient(isobar.url, ADMIN_TOKEN);
	const price = { per: "million_tokens", input: 0, output: 1_000 } as const;
	await admin.putCatalog(catalogOf([poolOf("p", MODEL, urls, { price, max_concurrency: PLACES / 2 })]));
	const { key } = await admin.createKey({ tenant: "crash", budget: { total_usd: BUDGET_NANO / 1e9 } });
	const revoked = await admin.createKey({ tenant: "crash" });
	await fetch(`${isobar.url}/admin/keys/${revoked.id}`, {
		method: "DELETE",
		headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
	});
	return { key, revoked: revoked.key, catalog: JSON.stringify(await admin.catalog()) };
}

interface Before {
	/** Records that could be read, by the request's id, as they were read. */
	readonly acknowledged: ReadonlyMap<string, string>;
	/** Keys whose creation was answered while requests were in flight. */
	readonly keys: readonly string[];
	readonly answered: number;
	readonly answeredNano: number;
}

async function fireAndKill(isobar: LocalIsobar, key: string, killedAt: number, random: () => number): Promise<Before> {
	const acknowledged = new Map<string, string>();
	const keys: string[] = [];
	let answered = 0;
	let answeredNano = 0;
	const requests = Array.from({ length: REQUESTS }, async (_, i) => {
		const tokens = 5 + Math.floor(random() * 60);
		const id = await complete(isobar.url, key, tokens, i % 2 === 0).catch(() => null);
		if (id === null) return;
		answered++;
		answeredNano += tokens * TOKEN_NANO;
		const found = await recordOf(isobar.url, key, id).catch(() => null);
		if (found) acknowledged.set(id, found.text);
	});
	const admin = new AdminClient(isobar.url, ADMIN_TOKEN);
	const creating = (async () => {
		for (;;) keys.push((await admin.createKey({ tenant: "crash" })).key);
	})().catch(() => {});
	await until(`${killedAt} answers`, () => answered >= killedAt, 20);
	// In the midst of what the others are at.
	await new Promise((resolve) => setTimeout(resolve, random() * 30));
	await isobar.kill();
	await Promise.all([...requests, creating]);
	return { acknowledged, keys: keys.slice(-3), answered, answeredNano };
}

async function authenticated(url: string, key: string): Promise<number> {
	const response = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
	await response.body?.cancel();
	return response.status;
}

/** As many long requests at once as the fleet has places, none of which may wait. */
async function everyPlaceIsFree(url: string, key: string, seed: number): Promise<void> {
	const ids = await Promise.all(Array.from({ length: PLACES }, () => complete(url, key, 60, true)));
	const records = await Promise.all(ids.map((id) => recordOf(url, key, id)));
	const waited = records.filter((found) => found === null || found.record.waited_seconds > 0);
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

async function recordOf(
	url: string,
	key: string,
	id: string,
): Promise<{ readonly text: string; readonly record: RequestRecord } | null> {
	const response = await fetch(`${url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${key}` } });
	const text = await response.text();
	return response.ok ? { text, record: JSON.parse(text) } : null;
}

function check(seed: number, holds: boolean, otherwise: string): void {
	if (!holds) throw new Error(`seed ${seed}: ${otherwise}`);
}
