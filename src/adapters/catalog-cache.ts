import type { Key } from "../shared/catalog/keys.ts";
import { RecentMap } from "../shared/catalog/recent-map.ts";
import { buildSnapshot, type CatalogSnapshot } from "../shared/catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../shared/http/errors.ts";
import { err, ok, type Result } from "../shared/result.ts";
import { settingsFrom, type Settings } from "../shared/settings.ts";
import type { Seconds } from "../shared/units.ts";
import { D1CatalogSource, type CatalogMark, type CatalogRead, type CatalogSource } from "./catalog-source.ts";
import { within } from "./catalog-deadline.ts";

export type WaitUntil = (promise: Promise<unknown>) => void;

type Found<T> = Result<T, IsobarError>;

/** At once where it is known, else as soon as D1 has answered. */
type Soon<T> = Found<T> | Promise<Found<T>>;

const KEYS_MAX = 10_000;
/** Hashes that are no key's. Anyone can send those, so they never displace keys. */
const UNKNOWN_MAX = 1_000;
const NO_KEY: Found<null> = ok(null);
/** The flight that asks for no key. */
const REFRESH = "";

/** What was read, and when the reading began: it is at least as new as that. */
interface View {
	readonly mark: CatalogMark;
	readonly readAt: Seconds;
	readonly snapshot: Found<CatalogSnapshot>;
}

/** A read under way; never rejects. */
interface Flight {
	readonly startedAt: Seconds;
	readonly done: Promise<Found<Key | null>>;
}

type CacheSettings = Pick<
	Settings,
	"catalogFreshSeconds" | "catalogStaleSeconds" | "catalogOutageSeconds" | "catalogDeadlineSeconds"
>;

/** An isolate's view of the catalog and of the keys it has met. One age holds for all: every read also brings the keys that
 *  changed. While younger than `catalogFreshSeconds` the view is used as it is, up to `catalogStaleSeconds` it is used and
 *  read again behind the request, older it is waited for. When D1 fails, it serves on up to `catalogOutageSeconds`, and
 *  after that there is `catalog_unavailable`. */
export class CatalogCache {
	readonly #source: CatalogSource;
	readonly #settings: CacheSettings;
	readonly #clock: () => Seconds;
	#view: View | null = null;
	#keys = new RecentMap<string, Found<Key>>(KEYS_MAX);
	#unknown = new RecentMap<string, Seconds>(UNKNOWN_MAX);
	/** By the hash that is asked for. */
	#flights = new Map<string, Flight>();
	#failedAt: Seconds = -Infinity;
	#epoch = 0;

	constructor(source: CatalogSource, settings: CacheSettings, clock: () => Seconds) {
		this.#source = source;
		this.#settings = settings;
		this.#clock = clock;
	}

	/** The catalog in force. Version 0 where none was ever put. */
	snapshot(waitUntil: WaitUntil): Soon<CatalogSnapshot> {
		const view = this.#view;
		if (view && this.#isUsable(view, waitUntil)) return view.snapshot;
		return this.#awaitSnapshot(waitUntil);
	}

	/** The catalog, read now unless the one at hand is newer than `version`: somebody has seen a later one. As it is when D1
	 *  cannot be read, or has just failed. */
	async newerThan(version: number, waitUntil: WaitUntil): Promise<Found<CatalogSnapshot>> {
		const since = this.#clock();
		// A read that is under way may have begun before the change.
		for (let reads = 0; ; reads++) {
			const view = this.#view;
			const failing = since - this.#failedAt < this.#settings.catalogFreshSeconds;
			const enough = reads === 2 || failing || (view && (view.mark.version > version || view.readAt >= since));
			if (view && enough) return view.snapshot;
			const read = await this.#awaitSnapshot(waitUntil);
			if (!read.ok) return read;
		}
	}

	/** The key of this hash, revoked and expired ones too; null where there is none. */
	key(hash: string, waitUntil: WaitUntil): Soon<Key | null> {
		const view = this.#view;
		if (!view || !this.#isUsable(view, waitUntil)) return this.#awaitKey(hash, waitUntil);
		const held = this.#keys.get(hash);
		if (held) return held;
		const missedAt = this.#unknown.get(hash);
		if (missedAt !== undefined && this.#clock() - missedAt < this.#settings.catalogFreshSeconds) return NO_KEY;
		return this.#land(hash, waitUntil);
	}

	/** Forgets everything, after a change that was made in this isolate: it must see its own writes. */
	invalidate(): void {
		this.#epoch++;
		this.#view = null;
		this.#keys.clear();
		this.#unknown.clear();
		this.#flights.clear();
	}

	/** Whether the view may serve without waiting; starts a read behind it when it is due. */
	#isUsable(view: View, waitUntil: WaitUntil): boolean {
		const { catalogFreshSeconds, catalogStaleSeconds, catalogOutageSeconds, catalogDeadlineSeconds } = this.#settings;
		const now = this.#clock();
		const age = now - view.readAt;
		if (age < catalogFreshSeconds) return true;
		// While D1 fails, requests do not wait for it one after the other to fail again.
		const sinceFailure = now - this.#failedAt;
		if (age >= (sinceFailure < catalogStaleSeconds ? catalogOutageSeconds : catalogStaleSeconds)) return false;
		const flight = this.#flights.get(REFRESH);
		const underWay = flight && now - flight.startedAt < catalogDeadlineSeconds;
		if (!underWay && sinceFailure >= catalogFreshSeconds) this.#takeOff(REFRESH, waitUntil);
		return true;
	}

	async #awaitSnapshot(waitUntil: WaitUntil): Promise<Found<CatalogSnapshot>> {
		for (;;) {
			// Every read brings the whole view, whichever key it asks for.
			const [underWay] = this.#flights.keys();
			const read = await this.#land(underWay ?? REFRESH, waitUntil);
			const view = this.#view;
			if (view && (read.ok || this.#clock() - view.readAt < this.#settings.catalogOutageSeconds)) return view.snapshot;
			if (!read.ok) return read;
			// Invalidated while it was read: what came is from before the change.
		}
	}

	async #awaitKey(hash: string, waitUntil: WaitUntil): Promise<Found<Key | null>> {
		// What is held comes up to date with any read; and of many keys at once in a cold isolate, one reads the document.
		if (this.#keys.has(hash) || (this.#flights.size > 0 && !this.#flights.has(hash))) {
			const snapshot = await this.#awaitSnapshot(waitUntil);
			if (!snapshot.ok) return snapshot;
			const held = this.#keys.get(hash);
			if (held) return held;
		}
		return this.#land(hash, waitUntil);
	}

	/** The result of the read that is under way, or of a new one. */
	async #land(hash: string, waitUntil: WaitUntil): Promise<Found<Key | null>> {
		const deadline = this.#settings.catalogDeadlineSeconds;
		const joined = this.#flights.get(hash);
		if (joined) {
			const result = await within(joined.startedAt + deadline - this.#clock(), joined.done);
			if (result) return result;
			// The request that began it may be gone, and with it the read: it would never end.
			if (this.#flights.get(hash) === joined) this.#flights.delete(hash);
		}
		const flight = this.#flights.get(hash) ?? this.#takeOff(hash, waitUntil);
		const result = await within(deadline, flight.done);
		if (result) return result;
		this.#failedAt = this.#clock();
		if (this.#flights.get(hash) === flight) this.#flights.delete(hash);
		return err(isobarError("catalog_unavailable", "The catalog did not answer in time", { retryAfter: 1 }));
	}

	#takeOff(hash: string, waitUntil: WaitUntil): Flight {
		const startedAt = this.#clock();
		const done = this.#read(hash, startedAt).finally(() => {
			if (this.#flights.get(hash) === flight) this.#flights.delete(hash);
		});
		const flight: Flight = { startedAt, done };
		this.#flights.set(hash, flight);
		// Others may be waiting for it when the client of this request hangs up.
		waitUntil(done);
		return flight;
	}

	async #read(hash: string, startedAt: Seconds): Promise<Found<Key | null>> {
		const epoch = this.#epoch;
		const base = this.#view;
		const read = await this.#source.read(base?.mark ?? null, hash === REFRESH ? null : hash);
		if (!read.ok) {
			this.#failedAt = this.#clock();
			return read;
		}
		this.#failedAt = -Infinity;
		if (epoch !== this.#epoch) return ok(read.value.key);
		this.#apply(read.value, base, startedAt);
		if (hash !== REFRESH) this.#keep(hash, read.value, startedAt);
		return ok(read.value.key);
	}

	#apply(read: CatalogRead, base: View | null, startedAt: Seconds): void {
		const view = this.#view;
		// Another read came back in the meantime. What is older than it, or counts from a version that it replaced, is not used.
		if (view && view !== base && !isNewer(read, view.mark)) return;

		const snapshot = read.catalog ? ok(buildSnapshot(read.mark.version, read.catalog)) : view?.snapshot;
		if (!snapshot) return;
		if (read.changed === null) {
			if (read.mark.revision !== view?.mark.revision) this.#keys.clear();
		} else {
			for (const { hash, key } of read.changed) if (this.#keys.has(hash)) this.#keys.set(hash, ok(key));
		}
		this.#view = { mark: read.mark, readAt: Math.max(startedAt, view?.readAt ?? -Infinity), snapshot };
	}

	#keep(hash: string, { key, mark }: CatalogRead, startedAt: Seconds): void {
		if (key === null) this.#unknown.set(hash, startedAt);
		// Only beside keys of the same revision: the next read brings what changed after that one.
		else if (this.#view?.mark.revision === mark.revision) this.#keys.set(hash, ok(key));
	}
}

function isNewer(read: CatalogRead, than: CatalogMark): boolean {
	const { version, revision } = read.mark;
	return version >= than.version && revision >= than.revision && (read.catalog !== null || version === than.version);
}

let ofIsolate: CatalogCache | undefined;

/** The one cache of this isolate, made from the first request's bindings. */
export function isolateCatalog(env: Pick<Env, "CATALOG" | "SETTINGS">): CatalogCache {
	ofIsolate ??= new CatalogCache(
		new D1CatalogSource(env.CATALOG),
		settingsFrom(env.SETTINGS),
		() => Date.now() / 1_000,
	);
	return ofIsolate;
}
