import { RecentMap } from "../../src/shared/catalog/recent-map.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Result } from "../../src/shared/result.ts";
import { err, ok } from "../../src/shared/result.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { runOf } from "../../durable-objects/federated-objects.ts";
import type { ClientKey, OpenUpdate, RunFacts, VersionName } from "../../durable-objects/run.messages.ts";

/** How long an isolate goes on without asking again: so late it hears that a client was expelled, or a run deleted. */
const REMEMBERED_SECONDS: Seconds = 10;
const REMEMBERED_MAX = 10_000;
/** Manifests may be large. */
const RUNS_MAX = 32;

const RUN_ID = /^run_[0-9a-f]{32}$/;

interface Remembered<T> {
	readonly value: T;
	readonly until: Seconds;
}

const runs = new RecentMap<string, Remembered<RunFacts>>(RUNS_MAX);
const clients = new RecentMap<string, Remembered<ClientKey>>(REMEMBERED_MAX);
const versions = new RecentMap<string, Remembered<VersionName>>(REMEMBERED_MAX);
const updates = new RecentMap<string, Remembered<OpenUpdate>>(REMEMBERED_MAX);

export function newRunId(): string {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return `run_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

export const RUN_NOT_FOUND = isobarError("run_not_found", "There is no such run, or this key may not see it", {
	param: "run",
});

/** What never changes of a run. */
export async function factsOf(env: Env, run: string): Promise<Result<RunFacts, IsobarError>> {
	if (!RUN_ID.test(run)) return err(RUN_NOT_FOUND);
	const facts = await remembered(runs, run, () => runOf(env, run).facts());
	return facts ? ok(facts) : err(RUN_NOT_FOUND);
}

/** A client's key, and whether it was expelled. */
export function clientKey(env: Env, run: string, client: string): Promise<ClientKey | null> {
	return remembered(clients, `${run}/${client}`, () => runOf(env, run).client(client));
}

export async function versionOf(env: Env, run: string, name: string): Promise<Result<VersionName, IsobarError>> {
	// The newest is another one before long.
	if (name === "latest") return runOf(env, run).version(name);
	return rememberedResult(versions, `${run}/${name}`, () => runOf(env, run).version(name));
}

export function openUpdate(env: Env, run: string, client: string, update: string) {
	return rememberedResult(updates, `${run}/${client}/${update}`, () => runOf(env, run).openUpdate(client, update));
}

/** What is known to have changed. */
export function forgetRun(run: string): void {
	forget(runs, run);
}
export function forgetUpdate(run: string, client: string, update: string): void {
	forget(updates, `${run}/${client}/${update}`);
}
export function forgetClient(run: string, client: string): void {
	forget(clients, `${run}/${client}`);
}

function forget<T>(map: RecentMap<string, Remembered<T>>, key: string): void {
	const known = map.get(key);
	if (known) map.set(key, { ...known, until: 0 });
}

async function remembered<T>(
	map: RecentMap<string, Remembered<T>>,
	key: string,
	ask: () => Promise<T | null>,
): Promise<T | null> {
	const now = Date.now() / 1_000;
	const known = map.get(key);
	if (known && known.until > now) return known.value;
	const value = await ask();
	if (value !== null) map.set(key, { value, until: now + REMEMBERED_SECONDS });
	return value;
}

async function rememberedResult<T>(
	map: RecentMap<string, Remembered<T>>,
	key: string,
	ask: () => Promise<Result<T, IsobarError>>,
): Promise<Result<T, IsobarError>> {
	const now = Date.now() / 1_000;
	const known = map.get(key);
	if (known && known.until > now) return ok(known.value);
	const result = await ask();
	if (result.ok) map.set(key, { value: result.value, until: now + REMEMBERED_SECONDS });
	return result;
}
