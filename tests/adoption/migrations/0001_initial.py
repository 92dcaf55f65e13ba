import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tests.adoption.models
import uploads.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("uploads", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Gallery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Pair",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file", models.FileField(storage=tests.adoption.models.storage, upload_to="")),
                ("always", uploads.fields.PictureField()),
                ("back", uploads.fields.PictureField(null=True)),
                ("front", uploads.fields.PictureField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Photo",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.TextField(blank=True)),
                (
                    "file",
                    models.ImageField(
                        null=True, storage=tests.adoption.models.storage, upload_to="photos/%Y"
                    ),
                ),
                (
                    "gallery",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to="adoption.gallery"
                    ),
                ),
                ("picture", uploads.fields.PictureField(null=True)),
            ],
        ),
    ]
