// htmx as a module: it takes care of the page as soon as it is loaded.
export { default } from "htmx.org";
