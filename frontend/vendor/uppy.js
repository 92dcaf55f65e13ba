// Bundle the parts of Uppy that the uploader needs into one file.
export { default as GoldenRetriever } from "@uppy/golden-retriever";
export { default as Uppy } from "@uppy/core";
export { default as XHRUpload } from "@uppy/xhr-upload";
