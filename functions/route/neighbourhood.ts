import type { LocalView } from "../../src/shared/admission/fallback.ts";
import type { Seconds } from "../../src/shared/units.ts";

const SUSPECT_SECONDS = 5;

/** What this isolate has seen of replicas itself: all that the fallback has to go by. */
export class Neighbourhood implements LocalView {
	readonly #clock: () => Seconds;
	readonly #inFlight = new Map<string, number>();
	readonly #failedAt = new Map<string, Seconds>();

	constructor(clock: () => Seconds) {
		this.#clock = clock;
	}

	inFlight(replica: string): number {
		return this.#inFlight.get(replica) ?? 0;
	}

	isSuspect(replica: string): boolean {
		const failedAt = this.#failedAt.get(replica);
		if (failedAt === undefined) return false;
		if (this.#clock() - failedAt < SUSPECT_SECONDS) return true;
		this.#failedAt.delete(replica);
		return false;
	}

	enter(replica: string): void {
		this.#inFlight.set(replica, this.inFlight(replica) + 1);
	}

	exit(replica: string, failed: boolean): void {
		const left = this.inFlight(replica) - 1;
		if (left > 0) this.#inFlight.set(replica, left);
		else this.#inFlight.delete(replica);
		if (failed) this.#failedAt.set(replica, this.#clock());
	}
}
