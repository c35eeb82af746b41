// Lets all programs write the field at the same moment. The rest of the page needs no script.
'use strict';
const form = document.getElementById('write');
const all = document.getElementById('all');
const buttons = [...document.querySelectorAll('.program button.at-once')];
all.hidden = false;

// Returns the id of the program, or nothing if the program could not write the field. A program that wrote it leads back to this page.
async function write(button) {
  const body = new URLSearchParams(new FormData(form));
  const sent = fetch(button.formAction, { method: 'POST', body, redirect: 'manual' });
  const response = await sent.catch(() => undefined);
  return response?.type === 'opaqueredirect' ? button.dataset.id : undefined;
}

all.addEventListener('click', async () => {
  if (!form.reportValidity()) {
    return;
  }
  all.disabled = true;
  // without a session each program would begin one of its own
  await write(buttons[0]);
  const ids = await Promise.all(buttons.map(write));
  if (!ids.some(Boolean)) {
    all.disabled = false;
    // this shows the reason
    form.requestSubmit(buttons[0]);
    return;
  }
  const query = new URLSearchParams({ wrote: form.elements.name.value, by: ids.filter(Boolean).join() });
  location.assign(`${location.pathname}?${query}`);
});
