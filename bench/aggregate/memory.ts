import { Inspector } from "./inspector.ts";

/** Looks at what the isolate holds over what it held at first. */
export class Memory {
	most = 0;
	/** A most of many looks is more than one of few, so all fleets get as many. */
	#left: number;
	readonly #inspector: Inspector;
	readonly #before: number;

	private constructor(inspector: Inspector, before: number, looks: number) {
		this.#inspector = inspector;
		this.#left = looks;
		this.#before = before;
	}

	/** Of the isolate of the Isobar at `url`, whose inspector listens at `inspectorUrl`. */
	static async of(url: string, inspectorUrl: string, looks: number): Promise<Memory> {
		const turn = async (): Promise<void> => void (await (await fetch(`${url}/healthz`)).text());
		const inspector = await Inspector.open(new URL(inspectorUrl), "isobar", turn);
		const { heap, buffers } = await inspector.memory();
		return new Memory(inspector, heap + buffers, looks);
	}

	close(): void {
		this.#inspector.close();
	}

	async look(): Promise<void> {
		if (this.#left-- <= 0) return;
		const { heap, buffers } = await this.#inspector.memory();
		this.most = Math.max(this.most, heap + buffers - this.#before);
	}
}
