import { writeSafetensors, type Model } from "../src/index.ts";

/** The operator's side of an example: makes a run and asks how it is. */
export class Operator {
	readonly url: string;
	readonly #key: string;

	constructor(url: string, key: string) {
		this.url = url;
		this.#key = key;
	}

	async call<T>(method: string, path: string, body?: unknown): Promise<T> {
		return this.#send<T>(method, path, body === undefined ? null : JSON.stringify(body));
	}

	/** A run that is running, from these weights. */
	async startRun(model: Model, specification: object): Promise<string> {
		const file = writeSafetensors(model);
		const header = new TextDecoder().decode(file.subarray(8, file.length - model.values.byteLength));
		const { id } = await this.call<{ id: string }>("POST", "", { model: JSON.parse(header), ...specification });
		await this.#send("PUT", `/${id}/weights`, file);
		await this.call("POST", `/${id}/start`);
		return id;
	}

	async invite(run: string, uses: number): Promise<string> {
		return (await this.call<{ token: string }>("POST", `/${run}/invitations`, { uses })).token;
	}

	async #send<T>(method: string, path: string, body: BodyInit | null): Promise<T> {
		const response = await fetch(`${this.url}/v1/runs${path}`, {
			method,
			headers: { authorization: `Bearer ${this.#key}`, "content-type": "application/json" },
			body,
		});
		const text = await response.text();
		if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
		return JSON.parse(text) as T;
	}
}
